#include "ctl/advice.h"

#include <stddef.h>

#define SERVERS ADVICE_UNKNOWN

struct advice {
	const char *code;
	const char *meaning;
	const char *set[SERVERS]; /* lines; NULL: nothing of its own */
};

/* Nothing here names a directive that examples/ does not set or speak of. */
static const struct advice advices[] = {
	[ADVICE_UNREACHABLE] = { "unreachable",
	    "No web server can be reached at this address: is it running, and "
	    "is it this port?",
	    { 0 } },
	[ADVICE_SILENT] = { "silent",
	    "The web server takes the connection and does not answer: all its "
	    "places may be taken, or peal may hang.",
	    { [ADVICE_LIGHTTPD] = "server.max-fds and server.max-connections, "
				  "in lighttpd.conf",
		[ADVICE_NGINX] = "worker_connections, in nginx.conf",
		[ADVICE_APACHE] =
		    "MaxRequestWorkers, in the MPM's configuration\n"
		    "mod_fcgid: FcgidMaxProcessesPerClass and "
		    "FcgidMaxProcesses" } },
	[ADVICE_CERTIFICATE] = { "certificate",
	    "Browsers refuse this certificate, too: is it for this host, still "
	    "valid, and sent with all that lie between it and its root?  Where "
	    "the root is your own, name its file in SSL_CERT_FILE.",
	    { 0 } },
	[ADVICE_REDIRECTED] = { "redirected",
	    "Another address is meant; browsers may follow, and what publishes "
	    "mostly does not.  Examine that one.",
	    { 0 } },
	[ADVICE_LOCKED] = { "locked",
	    "The web server wants a password here: give it with --header "
	    "'Authorization: Basic ...'.",
	    { 0 } },
	[ADVICE_FORBIDDEN] = { "forbidden",
	    "The web server, and not peal, refuses this address: a rule lets "
	    "others in.",
	    { [ADVICE_LIGHTTPD] = "url.access-deny, $HTTP[\"remoteip\"]",
		[ADVICE_NGINX] = "allow and deny, in the location",
		[ADVICE_APACHE] = "Require, in the <Location>",
		[ADVICE_CADDY] = "remote_ip, in the matchers" } },
	[ADVICE_NOT_MOUNTED] = { "not-mounted",
	    "Something else than peal answers: this URL does not lead to peal, "
	    "or its file is served.",
	    { [ADVICE_LIGHTTPD] =
		    "fastcgi.server = ( \"/events\" => ... ), with "
		    "\"check-local\" => \"disable\"",
		[ADVICE_NGINX] = "location /events { fastcgi_pass ...; }",
		[ADVICE_APACHE] =
		    "mod_fcgid: SetHandler fcgid-script, Options +ExecCGI and "
		    "FcgidWrapper ... virtual, in the <Location>\n"
		    "mod_proxy_fcgi: ProxyPass, in the <Location>",
		[ADVICE_CADDY] = "reverse_proxy ... { transport fastcgi }, "
				 "before file_server" } },
	[ADVICE_DOWN] = { "down",
	    "The web server does not reach peal, or peal does not start.  The "
	    "web server's error log says why.",
	    { [ADVICE_LIGHTTPD] =
		    "server.errorlog; \"socket\" must be peal's --listen, and "
		    "lighttpd's user be allowed to connect to it",
		[ADVICE_NGINX] =
		    "error_log; fastcgi_pass must be peal's --listen, and "
		    "nginx's user be allowed to connect to it",
		[ADVICE_APACHE] =
		    "ErrorLog; mod_fcgid: run the FcgidWrapper's command "
		    "with --check\n"
		    "mod_proxy_fcgi: ProxyPass must be peal's --listen, and "
		    "Apache's user be allowed to connect to it",
		[ADVICE_CADDY] =
		    "reverse_proxy must be peal's --listen, and Caddy's user "
		    "be allowed to connect to it" } },
	[ADVICE_NO_ROLE] = { "no-role",
	    "peal answers, and this location has not got the role.  Give it by "
	    "PEAL_ROLES, or --roles; or publish with a key: --publish-key-file.",
	    { [ADVICE_LIGHTTPD] =
		    "setenv.add-environment = ( \"PEAL_ROLES\" => \"publish\" )"
		    ", with mod_setenv before mod_fastcgi",
		[ADVICE_NGINX] =
		    "fastcgi_param PEAL_ROLES publish;, in the location",
		[ADVICE_APACHE] =
		    "SetEnv PEAL_ROLES publish, in the <Location>",
		[ADVICE_CADDY] =
		    "env PEAL_ROLES publish, in transport fastcgi" } },
	[ADVICE_NO_VARIABLES] = { "no-variables",
	    "peal does not see the method that was sent: the web server hands "
	    "the variables of the request not on, or this address is below the "
	    "mount.",
	    { [ADVICE_NGINX] = "include /etc/nginx/fastcgi_params;, in the "
			       "location or above it" } },
	[ADVICE_NO_CHANNEL] = { "no-channel",
	    "peal does not find the channel in the query: it may have been given "
	    "another --channel-param.  Write {} into the URL where the channel "
	    "goes: '...?user={}'.",
	    { [ADVICE_NGINX] =
		    "fastcgi_param QUERY_STRING $query_string;, as in "
		    "fastcgi_params" } },
	[ADVICE_CHANNEL_VARIABLE] = { "channel-variable",
	    "The web server's PEAL_CHANNEL names the channels here, and what it "
	    "names is not there or is no channel.  Where it needs a user who "
	    "has logged in, give a cookie or a password with --header.",
	    { [ADVICE_LIGHTTPD] =
		    "setenv.add-environment = ( \"PEAL_CHANNEL\" => ... )",
		[ADVICE_NGINX] =
		    "fastcgi_param PEAL_CHANNEL ...;, in the location",
		[ADVICE_APACHE] = "SetEnv PEAL_CHANNEL ..., in the <Location>",
		[ADVICE_CADDY] =
		    "env PEAL_CHANNEL ..., in transport fastcgi" } },
	[ADVICE_FULL] = { "full",
	    "peal refuses streams: its --max-streams is reached, or it is "
	    "stopping.",
	    { 0 } },
	[ADVICE_COMPRESSED] = { "compressed",
	    "The stream is compressed for browsers.  Events may be held back, "
	    "and each stream costs the web server much memory.",
	    { [ADVICE_NGINX] = "gzip off;, in the location",
		[ADVICE_APACHE] =
		    "SetEnv no-gzip 1 and SetEnv no-brotli 1, in the <Location>",
		[ADVICE_CADDY] = "encode must not match peal's path" } },
	[ADVICE_BUFFERED] = { "buffered",
	    "The web server keeps what peal sends until there is much of it, or "
	    "until the stream ends.",
	    { [ADVICE_LIGHTTPD] =
		    "server.stream-response-body = 2, in lighttpd.conf",
		[ADVICE_NGINX] =
		    "fastcgi_buffering off;, in the location, and no "
		    "fastcgi_ignore_headers X-Accel-Buffering\n"
		    "proxy_buffering off;, where it leads to another web server",
		[ADVICE_APACHE] =
		    "mod_fcgid: FcgidOutputBufferSize 0\n"
		    "mod_proxy_fcgi: ProxySet flushpackets=on, in the <Proxy>",
		[ADVICE_CADDY] = "flush_interval -1, in reverse_proxy" } },
	[ADVICE_CEILING] = { "ceiling",
	    "The web server has no place for more streams; who comes next "
	    "waits, or is refused and does not come back.",
	    { [ADVICE_LIGHTTPD] = "server.max-fds and server.max-connections, "
				  "in lighttpd.conf",
		[ADVICE_NGINX] = "worker_connections and worker_rlimit_nofile",
		[ADVICE_APACHE] =
		    "mod_fcgid, where each stream is a process: "
		    "FcgidMaxProcessesPerClass and FcgidMaxProcesses; and "
		    "FcgidSpawnScore 0 with FcgidTerminationScore 0\n"
		    "MaxRequestWorkers, ServerLimit and ThreadsPerChild, above "
		    "the number of streams",
		[ADVICE_CADDY] = "the descriptor limit of its service" } },
	[ADVICE_STARVED] = { "starved",
	    "Publishing gets no answer while streams are held: it waits for a "
	    "place that streams have taken.",
	    { [ADVICE_LIGHTTPD] = "server.max-fds and server.max-connections, "
				  "in lighttpd.conf",
		[ADVICE_NGINX] = "worker_connections and worker_rlimit_nofile",
		[ADVICE_APACHE] =
		    "mod_fcgid: give publishing a class of processes of its "
		    "own, by another FcgidWrapper command in its <Location>, "
		    "such as \"... --roles publish\"; and "
		    "FcgidMaxProcesses above both\n"
		    "MaxRequestWorkers, above the number of streams",
		[ADVICE_CADDY] = "the descriptor limit of its service" } },
	[ADVICE_IDLE_CUT] = { "idle-cut",
	    "The web server ends a stream that is silent for shorter than peal's "
	    "--heartbeat: it has to bear more, or --heartbeat be less.",
	    { [ADVICE_LIGHTTPD] = "server.max-write-idle, in lighttpd.conf",
		[ADVICE_NGINX] = "fastcgi_read_timeout 60s;, in the location",
		[ADVICE_APACHE] =
		    "mod_fcgid: FcgidIOTimeout 60\n"
		    "mod_proxy_fcgi: ProxyTimeout 60, and no shorter timeout= "
		    "of ProxyPass or ProxySet",
		[ADVICE_CADDY] =
		    "no read_timeout and no write_timeout, in transport "
		    "fastcgi" } },
	[ADVICE_KEY_LOST] = { "key-lost",
	    "The key was sent, and did not reach peal: the web server drops the "
	    "Authorization header.",
	    { [ADVICE_LIGHTTPD] =
		    "no setenv.set-request-header of Authorization",
		[ADVICE_NGINX] =
		    "no fastcgi_param HTTP_AUTHORIZATION of its own in the "
		    "location",
		[ADVICE_APACHE] = "CGIPassAuth On, in the <Location>",
		[ADVICE_CADDY] =
		    "no header_up -Authorization, in reverse_proxy" } },
	[ADVICE_KEY_WRONG] = { "key-wrong",
	    "The key reached peal, and is not in its --publish-key-file.  After "
	    "a change of that file peal wants a SIGHUP.",
	    { 0 } },
	[ADVICE_BODY_LIMIT] = { "body-limit",
	    "The web server refuses a body that peal would take; peal's own "
	    "limit is --max-body, 1 MiB, and it says in JSON what is too large.",
	    { [ADVICE_LIGHTTPD] = "server.max-request-size = 2048 (kilobytes)",
		[ADVICE_NGINX] = "client_max_body_size 2m;, in the location",
		[ADVICE_APACHE] = "mod_fcgid: FcgidMaxRequestLen 2097152",
		[ADVICE_CADDY] = "no smaller max_size in request_body" } },
	[ADVICE_ELSEWHERE] = { "elsewhere",
	    "What is published does not go where we subscribe: another --arena, "
	    "a second machine, or a PEAL_CHANNEL that sets another channel.",
	    { [ADVICE_LIGHTTPD] =
		    "the same --arena in each \"bin-path\", or the same socket",
		[ADVICE_NGINX] = "fastcgi_pass to peals with one --arena",
		[ADVICE_APACHE] =
		    "mod_fcgid: the same --arena in each FcgidWrapper\n"
		    "mod_proxy_fcgi: ProxyPass to peals with one --arena",
		[ADVICE_CADDY] = "reverse_proxy to peals with one --arena" } },
	[ADVICE_NO_CORS] = { "no-cors",
	    "A page of that origin may not read the stream: peal wants "
	    "--cors-origin with it.",
	    { 0 } },
};

static const char *const names[SERVERS] = {
	[ADVICE_LIGHTTPD] = "lighttpd",
	[ADVICE_NGINX] = "nginx",
	[ADVICE_APACHE] = "Apache",
	[ADVICE_CADDY] = "Caddy",
};

enum advice_server
advice_server_of(struct span field)
{
	for (unsigned i = 0; i < SERVERS; i++) {
		if (span_starts_nocase(field, span_of(names[i])))
			return (enum advice_server)i;
	}
	return ADVICE_UNKNOWN;
}

const char *
advice_code(enum advice_fault fault)
{
	return advices[fault].code;
}

/* Each line of what to set, with the server's name before it. */
static void
put_set(struct buf *out, const char *name, const char *lines,
    const char *indent)
{
	struct span rest = span_of(lines);
	struct span line;

	while (span_cut(&rest, '\n', &line)) {
		buf_put_cstr(out, indent);
		buf_put_cstr(out, name);
		buf_put(out, SPAN(": "));
		buf_put(out, line);
		buf_put_char(out, '\n');
	}
}

void
advice_put(struct buf *out, enum advice_fault fault, enum advice_server server,
    const char *indent)
{
	const struct advice *r = &advices[fault];

	buf_put_cstr(out, indent);
	buf_put_cstr(out, r->meaning);
	buf_put_char(out, '\n');
	for (unsigned i = 0; i < SERVERS; i++) {
		if ((server == ADVICE_UNKNOWN || server == i) &&
		    r->set[i] != NULL)
			put_set(out, names[i], r->set[i], indent);
	}
}
