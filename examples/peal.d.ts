/* Types of peal.js: for a script the global Peal, for CommonJS what require() returns. */
export = Peal;
export as namespace Peal;

declare class Peal {
	/** It begins at once; add the listeners in the same script. */
	constructor(url: string, options?: Peal.Options);

	/** Where the stream goes on. */
	readonly lastEventId: string;
	readonly state: Peal.State;

	/** Call listener for each event of a topic, 'message' for those without one; returns what removes it. */
	on(topic: string, listener: (event: Peal.Event) => void): () => void;

	/** End it for good. */
	close(): void;
}

declare namespace Peal {
	interface Event {
		readonly type: string;
		readonly data: string;
		readonly lastEventId: string;
	}

	type State = 'connecting' | 'open' | 'waiting' | 'closed';

	interface Detail {
		/** Why it waits. */
		readonly reason?: 'full' | 'stopping' | 'age' | 'lost' | 'silent' | 'token' | 'hidden' | 'refused';
		/** The status of the answer that was no event stream. */
		readonly status?: number;
		/** For how long, in milliseconds. */
		readonly wait?: number;
	}

	interface Gap {
		/** The resume point that was asked for. */
		readonly after?: string;
		/** From where on events are there. */
		readonly from?: string;
		readonly hint?: string;
	}

	interface Options {
		/** What to listen to; without, the server chooses. */
		channels?: readonly string[];
		/** Begin after this event. */
		lastEventId?: string;
		/** Begin after this instant, in milliseconds by the server's clock. */
		lastEventTime?: number;
		onevent?(event: Event): void;
		/** Events that follow wait for a promise. */
		onopen?(opened: { readonly first: boolean }): unknown;
		/** Events are missing: load your state anew.  Events that follow wait for a promise. */
		ongap?(gap: Gap): unknown;
		onstate?(state: State, detail: Detail): void;
		/** A new token is wanted.  The stream is opened anew afterwards, unless this gives false. */
		ontoken?(detail: { readonly reason?: string; readonly in?: number }): unknown;
		/** Where to POST for a new token. */
		tokenUrl?: string;
		/** One stream for all tabs with the same channels, and the same string. */
		shared?: boolean | string;
		/** A stream without a sign of life for so long is dead; milliseconds. */
		silence?: number;
		/** A page hidden for so long closes its stream until somebody looks; milliseconds. */
		hidden?: number;
		/** Send cookies to another origin. */
		withCredentials?: boolean;
	}
}
