#include "ctl/advice.h"

#include <stdbool.h>
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
		    "FcgidMaxProcesses",
		[ADVICE_HAPROXY] = "maxconn, in global",
		[ADVICE_H2O] = "max-connections" } },
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
		[ADVICE_CADDY] = "remote_ip, in the matchers",
		[ADVICE_HAPROXY] = "http-request deny, in the frontend",
		[ADVICE_H2O] = "acl, in mruby.handler",
		[ADVICE_SQUID] = "http_access" } },
	[ADVICE_REWRITTEN] = { "rewritten",
	    "The site's own program answers: a rule that leads "
	    "every address to it comes before peal's.",
	    { [ADVICE_APACHE] =
		    "mod_fcgid: RewriteEngine Off, in each <Location> of peal",
		[ADVICE_NGINX] =
		    "location ~ ^/events(/|$), above the one with try_files",
		[ADVICE_LIGHTTPD] = "url.rewrite must leave /events out" } },
	[ADVICE_OTHER_PROGRAM] = { "other-program",
	    "Another FastCGI program answers than peal: the web "
	    "server leads this address to its socket.",
	    { [ADVICE_LIGHTTPD] =
		    "\"socket\", in fastcgi.server, must be peal's --listen",
		[ADVICE_NGINX] = "fastcgi_pass must be peal's --listen; a "
				 "location for \\.php$ must not match first",
		[ADVICE_APACHE] = "mod_proxy_fcgi: ProxyPass must be peal's "
				  "--listen\nmod_fcgid: FcgidWrapper must be "
				  "peal.fcgi",
		[ADVICE_CADDY] = "reverse_proxy must be peal's --listen, and "
				 "stand before php_fastcgi",
		[ADVICE_HAPROXY] =
		    "server ... proto fcgi must be peal's --listen",
		[ADVICE_H2O] = "fastcgi.connect must be peal's --listen" } },
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
				 "before file_server",
		[ADVICE_HAPROXY] =
		    "use_backend ... if { path_beg /events }, and "
		    "in that backend use-fcgi-app and \"proto "
		    "fcgi\"",
		[ADVICE_H2O] = "fastcgi.connect, in the path" } },
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
		    "be allowed to connect to it",
		[ADVICE_HAPROXY] =
		    "server ... proto fcgi must be peal's "
		    "--listen, as it is seen from below chroot, "
		    "and HAProxy's user be allowed to connect to it",
		[ADVICE_H2O] = "fastcgi.connect must be peal's --listen, and "
			       "H2O's user be allowed to connect to it",
		[ADVICE_VARNISH] = ".host and .port of the backend",
		[ADVICE_SQUID] = "cache_peer",
		[ADVICE_TRAFFIC_SERVER] = "map, in remap.config" } },
	[ADVICE_NO_ROLE] = { "no-role",
	    "peal answers, and this location has not got the role.  Give it by "
	    "PEAL_ROLES, or --roles; or publish with a key: "
	    "--publish-key-file.",
	    { [ADVICE_LIGHTTPD] =
		    "setenv.add-environment = ( \"PEAL_ROLES\" => \"publish\" )"
		    ", with mod_setenv before mod_fastcgi",
		[ADVICE_NGINX] =
		    "fastcgi_param PEAL_ROLES publish;, in the location",
		[ADVICE_APACHE] =
		    "SetEnv PEAL_ROLES publish, in the <Location>",
		[ADVICE_CADDY] = "env PEAL_ROLES publish, in transport fastcgi",
		[ADVICE_HAPROXY] =
		    "set-param PEAL_ROLES publish, in the fcgi-app",
		[ADVICE_H2O] = "setenv: PEAL_ROLES: publish, in the path" } },
	[ADVICE_NO_VARIABLES] = { "no-variables",
	    "peal does not see the method that was sent: the web server hands "
	    "the variables of the request not on, or this address is below the "
	    "mount.",
	    { [ADVICE_NGINX] = "include /etc/nginx/fastcgi_params;, in the "
			       "location or above it" } },
	[ADVICE_NO_CHANNEL] = { "no-channel",
	    "peal does not find the channel in the query: it may "
	    "have been given "
	    "another --channel-param.  Write {} into the URL where the channel "
	    "goes: '...?user={}'.",
	    { [ADVICE_NGINX] =
		    "fastcgi_param QUERY_STRING $query_string;, as in "
		    "fastcgi_params" } },
	[ADVICE_CHANNEL_VARIABLE] = { "channel-variable",
	    "The web server's PEAL_CHANNEL names the channels "
	    "here, and what it "
	    "names is not there or is no channel.  Where it needs a user who "
	    "has logged in, give a cookie or a password with --header.",
	    { [ADVICE_LIGHTTPD] =
		    "setenv.add-environment = ( \"PEAL_CHANNEL\" => ... )",
		[ADVICE_NGINX] =
		    "fastcgi_param PEAL_CHANNEL ...;, in the location",
		[ADVICE_APACHE] = "SetEnv PEAL_CHANNEL ..., in the <Location>",
		[ADVICE_CADDY] = "env PEAL_CHANNEL ..., in transport fastcgi",
		[ADVICE_HAPROXY] =
		    "set-param PEAL_CHANNEL ..., in the fcgi-app",
		[ADVICE_H2O] = "setenv: PEAL_CHANNEL: ..., in the path" } },
	[ADVICE_FULL] = { "full",
	    "peal refuses streams: its --max-streams is reached, or it is "
	    "stopping.",
	    { 0 } },
	[ADVICE_COMPRESSED] = { "compressed",
	    "The stream is compressed for browsers.  Events may be held back, "
	    "and each stream costs the web server much memory.",
	    { [ADVICE_NGINX] = "gzip off;, in the location",
		[ADVICE_APACHE] = "SetEnv no-gzip 1 and SetEnv no-brotli 1, in "
				  "the <Location>",
		[ADVICE_CADDY] = "encode must not match peal's path",
		[ADVICE_HAPROXY] = "no text/event-stream in compression type",
		[ADVICE_H2O] = "compress: OFF, in the path",
		[ADVICE_TRAFFIC_SERVER] =
		    "no text/event-stream in compress.config" } },
	[ADVICE_BUFFERED] = { "buffered",
	    "The web server keeps what peal sends until there is "
	    "much of it, or "
	    "until the stream ends.",
	    { [ADVICE_LIGHTTPD] =
		    "server.stream-response-body = 2, in lighttpd.conf",
		[ADVICE_NGINX] =
		    "fastcgi_buffering off;, in the location, and no "
		    "fastcgi_ignore_headers X-Accel-Buffering\n"
		    "proxy_buffering off;, where it leads to "
		    "another web server",
		[ADVICE_APACHE] =
		    "mod_fcgid: FcgidOutputBufferSize 0\n"
		    "mod_proxy_fcgi: ProxySet flushpackets=on, in the <Proxy>",
		[ADVICE_CADDY] = "flush_interval -1, in reverse_proxy",
		[ADVICE_VARNISH] = "return (pipe), in vcl_recv" } },
	[ADVICE_LATE] = { "late",
	    "Something holds each event back for a moment, where it could send "
	    "it at once.",
	    { [ADVICE_HAPROXY] =
		    "option http-no-delay, in the backend or in defaults",
		[ADVICE_NGINX] = "tcp_nodelay on;",
		[ADVICE_VARNISH] = "return (pipe), in vcl_recv" } },
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
		[ADVICE_CADDY] = "the descriptor limit of its service",
		[ADVICE_HAPROXY] = "maxconn, in global",
		[ADVICE_H2O] = "max-connections" } },
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
		[ADVICE_CADDY] = "the descriptor limit of its service",
		[ADVICE_HAPROXY] = "maxconn, in global",
		[ADVICE_H2O] = "max-connections" } },
	[ADVICE_IDLE_CUT] = { "idle-cut",
	    "The web server ends a stream that is silent for "
	    "shorter than peal's "
	    "--heartbeat: it has to bear more, or --heartbeat be less.",
	    { [ADVICE_LIGHTTPD] = "server.max-write-idle, in lighttpd.conf",
		[ADVICE_NGINX] = "fastcgi_read_timeout 60s;, in the location",
		[ADVICE_APACHE] =
		    "mod_fcgid: FcgidIOTimeout 60\n"
		    "mod_proxy_fcgi: ProxyTimeout 60, and no shorter timeout= "
		    "of ProxyPass or ProxySet",
		[ADVICE_CADDY] =
		    "no read_timeout and no write_timeout, in transport "
		    "fastcgi",
		[ADVICE_HAPROXY] = "timeout client 60s and timeout server 60s",
		[ADVICE_H2O] = "fastcgi.timeout.io: 60000",
		[ADVICE_VARNISH] = "pipe_timeout",
		[ADVICE_SQUID] = "read_timeout",
		[ADVICE_TRAFFIC_SERVER] =
		    "proxy.config.http.transaction_no_activity_timeout_out" } },
	[ADVICE_KEY_LOST] = { "key-lost",
	    "The key was sent, and did not reach peal: the web "
	    "server drops the "
	    "Authorization header.",
	    { [ADVICE_LIGHTTPD] =
		    "no setenv.set-request-header of Authorization",
		[ADVICE_NGINX] =
		    "no fastcgi_param HTTP_AUTHORIZATION of its own in the "
		    "location",
		[ADVICE_APACHE] = "CGIPassAuth On, in the <Location>",
		[ADVICE_CADDY] =
		    "no header_up -Authorization, in reverse_proxy",
		[ADVICE_HAPROXY] = "pass-header Authorization, in the fcgi-app",
		[ADVICE_SQUID] = "login=PASSTHRU, in cache_peer" } },
	[ADVICE_KEY_WRONG] = { "key-wrong",
	    "The key reached peal, and is not in its "
	    "--publish-key-file.  After "
	    "a change of that file peal wants a SIGHUP.",
	    { 0 } },
	[ADVICE_BODY_LIMIT] = { "body-limit",
	    "The web server refuses a body that peal would take; peal's own "
	    "limit is --max-body, 1 MiB, and it says in JSON what "
	    "is too large.",
	    { [ADVICE_LIGHTTPD] = "server.max-request-size = 2048 (kilobytes)",
		[ADVICE_NGINX] = "client_max_body_size 2m;, in the location",
		[ADVICE_APACHE] = "mod_fcgid: FcgidMaxRequestLen 2097152",
		[ADVICE_CADDY] = "no smaller max_size in request_body",
		[ADVICE_HAPROXY] = "a body in chunks that is larger than "
				   "tune.bufsize: send it with Content-Length",
		[ADVICE_H2O] = "limit-request-body: 2097152" } },
	[ADVICE_ELSEWHERE] = { "elsewhere",
	    "What is published does not go where we subscribe: "
	    "another --arena, "
	    "a second machine, or a PEAL_CHANNEL that sets another channel.",
	    { [ADVICE_LIGHTTPD] =
		    "the same --arena in each \"bin-path\", or the same socket",
		[ADVICE_NGINX] = "fastcgi_pass to peals with one --arena",
		[ADVICE_APACHE] =
		    "mod_fcgid: the same --arena in each FcgidWrapper\n"
		    "mod_proxy_fcgi: ProxyPass to peals with one --arena",
		[ADVICE_CADDY] = "reverse_proxy to peals with one --arena",
		[ADVICE_HAPROXY] =
		    "server ... proto fcgi to peals with one --arena",
		[ADVICE_H2O] = "fastcgi.connect to peals with one --arena" } },
	[ADVICE_NO_CORS] = { "no-cors",
	    "A page of that origin may not read the stream: peal wants "
	    "--cors-origin with it.",
	    { 0 } },
	[ADVICE_OPEN] = { "open",
	    "Whoever reaches this address may publish, without a "
	    "key.  Where the rule lets this machine in and a proxy "
	    "runs on it, every request comes from there: publish "
	    "past the proxy, or with a key.",
	    { [ADVICE_LIGHTTPD] =
		    "$HTTP[\"remoteip\"], and url.access-deny for "
		    "all others; or --publish-key-file",
		[ADVICE_NGINX] = "allow 127.0.0.1; and deny all;, in the "
				 "location; or --publish-key-file",
		[ADVICE_APACHE] =
		    "Require local, in the <Location>; or --publish-key-file",
		[ADVICE_CADDY] =
		    "remote_ip, in the matcher; or --publish-key-file",
		[ADVICE_HAPROXY] = "http-request deny if publish !local; or "
				   "--publish-key-file",
		[ADVICE_H2O] = "acl { deny { ... addr(false) ... } }; or "
			       "--publish-key-file",
		[ADVICE_VARNISH] =
		    "refuse /publish in vcl_recv; or --publish-key-file",
		[ADVICE_SQUID] =
		    "http_access deny of /publish; or --publish-key-file",
		[ADVICE_TRAFFIC_SERVER] =
		    "no map of /publish; or --publish-key-file" } },
	[ADVICE_GONE_COUNTED] = { "gone-counted",
	    "A client that has gone is still counted, and its "
	    "stream holds its place until --max-stream-age: what "
	    "stands in front does not say that it has gone.",
	    { [ADVICE_LIGHTTPD] =
		    "\"tcp-fin-propagate\" => \"enable\", in fastcgi.server",
		[ADVICE_NGINX] = "no fastcgi_ignore_client_abort and no "
				 "proxy_ignore_client_abort",
		[ADVICE_APACHE] = "mod_proxy_fcgi: flushpackets=on",
		[ADVICE_HAPROXY] = "option abortonclose, in defaults",
		[ADVICE_VARNISH] = "return (pipe), in vcl_recv" } },
	[ADVICE_STALLED_UNSEEN] = { "stalled-unseen",
	    "What a viewer does not read is taken from peal all "
	    "the same, into memory or a file in front of it: peal "
	    "cannot end such a stream, and nothing bounds what it "
	    "costs but --max-stream-age.",
	    { [ADVICE_LIGHTTPD] = "server.stream-response-body = 2, and not 1",
		[ADVICE_NGINX] =
		    "fastcgi_buffering off;, or proxy_buffering off;",
		[ADVICE_H2O] = "nothing bounds it: few events, and a short "
			       "--max-stream-age",
		[ADVICE_VARNISH] = "return (pipe), in vcl_recv" } },
	[ADVICE_HTTP2_FEW] = { "http2-few",
	    "Over HTTP/2 a browser has one connection to a site, "
	    "for all its tabs.  When streams have taken what the "
	    "server works on at a time, pages wait, too.",
	    { [ADVICE_LIGHTTPD] = "\"server.h2proto\" => \"disable\", in "
				  "server.feature-flags",
		[ADVICE_NGINX] = "http2_max_concurrent_streams 128;",
		[ADVICE_APACHE] = "Protocols http/1.1",
		[ADVICE_HAPROXY] = "tune.h2.max-concurrent-streams 100",
		[ADVICE_H2O] =
		    "http2-max-concurrent-requests-per-connection: 100" } },
	[ADVICE_SOCKET_MISSING] = { "socket-missing",
	    "peal does not run, or listens elsewhere: systemctl "
	    "status peal.socket peal.service; its --listen and "
	    "this must be one path.",
	    { 0 } },
	[ADVICE_SOCKET_REFUSED] = { "socket-refused",
	    "The socket is there, and nobody listens at it: peal "
	    "has ended and left it behind.  systemctl restart "
	    "peal.socket peal.service, or start peal.fcgi again.",
	    { 0 } },
	[ADVICE_SOCKET_FORBIDDEN] = { "socket-forbidden",
	    "The web server's user may not connect to peal's "
	    "socket: SocketGroup= in peal.socket, or --socket-mode "
	    "and the group of who runs peal.fcgi; and each folder "
	    "above it must let that user in.",
	    { 0 } },
	[ADVICE_WHOLE_SITE] = { "whole-site",
	    "When viewers have taken all of the web server's "
	    "places, the whole site hangs.  Let peal refuse them "
	    "before.",
	    { [ADVICE_APACHE] = "mod_proxy_fcgi: max-streams in peal.conf, "
				"times its workers, below "
				"MaxRequestWorkers\nmod_fcgid: "
				"FcgidMaxProcessesPerClass below "
				"MaxRequestWorkers" } },
	[ADVICE_UNIT_FAILED] = { "unit-failed",
	    "systemd does not run peal: journalctl -u peal says "
	    "why; peal.fcgi --check with the options of its unit, "
	    "too.",
	    { 0 } },
};

static const char *const names[SERVERS] = {
	[ADVICE_LIGHTTPD] = "lighttpd",
	[ADVICE_NGINX] = "nginx",
	[ADVICE_APACHE] = "Apache",
	[ADVICE_CADDY] = "Caddy",
	[ADVICE_HAPROXY] = "HAProxy",
	[ADVICE_H2O] = "H2O",
	[ADVICE_VARNISH] = "Varnish",
	[ADVICE_SQUID] = "Squid",
	[ADVICE_TRAFFIC_SERVER] = "Traffic Server",
};

/* How servers name themselves otherwise; "Apache" begins Traffic Server's, too. */
static const struct {
	const char *text;
	enum advice_server server;
} aliases[] = {
	{ "ApacheTrafficServer", ADVICE_TRAFFIC_SERVER },
	{ "ATS/", ADVICE_TRAFFIC_SERVER },
};
#define ALIASES (sizeof(aliases) / sizeof(aliases[0]))

enum advice_server
advice_server_of(struct span field)
{
	for (size_t i = 0; i < ALIASES; i++) {
		if (span_starts_nocase(field, span_of(aliases[i].text)))
			return aliases[i].server;
	}
	for (unsigned i = 0; i < SERVERS; i++) {
		if (span_starts_nocase(field, span_of(names[i])))
			return (enum advice_server)i;
	}
	return ADVICE_UNKNOWN;
}

unsigned
advice_servers_of_via(struct span field)
{
	unsigned found = 0;

	/* Each word, and what stands in parentheses: "1.1 varnish (Varnish/7.1)". */
	for (size_t i = 0; i < field.len; i++) {
		bool begins = i == 0 || field.ptr[i - 1] == ' ' ||
		    field.ptr[i - 1] == '(' || field.ptr[i - 1] == ',';
		if (!begins)
			continue;
		enum advice_server server = advice_server_of(
		    (struct span){ field.ptr + i, field.len - i });
		if (server != ADVICE_UNKNOWN)
			found |= 1U << server;
	}
	return found;
}

const char *
advice_server_name(enum advice_server server)
{
	return server == ADVICE_UNKNOWN ? "" : names[server];
}

const char *
advice_code(enum advice_fault fault)
{
	return advices[fault].code;
}

/* Each line of what to set, with the server's name before it. */
static void
put_set(struct buf *out, const char *name, const char *lines,
    const char *module, const char *indent)
{
	struct span rest = span_of(lines);
	struct span line;

	while (span_cut(&rest, '\n', &line)) {
		/* What is for the other module. */
		if (module != NULL && span_starts_nocase(line, SPAN("mod_")) &&
		    !span_starts_nocase(line, span_of(module)))
			continue;
		buf_put_cstr(out, indent);
		buf_put_cstr(out, name);
		buf_put(out, SPAN(": "));
		buf_put(out, line);
		buf_put_char(out, '\n');
	}
}

void
advice_put(struct buf *out, enum advice_fault fault,
    const struct advice_hops *hops, const char *indent)
{
	const struct advice *r = &advices[fault];

	buf_put_cstr(out, indent);
	buf_put_cstr(out, r->meaning);
	buf_put_char(out, '\n');
	for (unsigned i = 0; i < SERVERS; i++) {
		if ((hops->servers >> i & 1) != 0 && r->set[i] != NULL)
			put_set(out, names[i], r->set[i], hops->module, indent);
	}
}
