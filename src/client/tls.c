#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "client/tls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#ifdef HAVE_OPENSSL

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

const bool tls_is_built = true;

struct tls {
	SSL *ssl;
	bool waits;
	const char *fault;
};

/* RFC 7301: HTTP/1.1 is all that is spoken; HTTP/2 can be asked for. */
static const unsigned char protocols[] = "\x08http/1.1";
static const unsigned char with_http2[] = "\x02h2\x08http/1.1";

/* For all connections of the process, as reading whom to trust takes long. */
static SSL_CTX *shared;

static SSL_CTX *
make_context(void)
{
	SSL_CTX *made = SSL_CTX_new(TLS_client_method());

	if (made == NULL)
		return NULL;
	if (SSL_CTX_set_default_verify_paths(made) == 1 &&
	    SSL_CTX_set_min_proto_version(made, TLS1_2_VERSION) == 1 &&
	    SSL_CTX_set_alpn_protos(made, protocols, sizeof(protocols) - 1) ==
		0) {
		SSL_CTX_set_verify(made, SSL_VERIFY_PEER, NULL);
		(void)SSL_CTX_set_mode(made,
		    SSL_MODE_ENABLE_PARTIAL_WRITE |
			SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
			SSL_MODE_RELEASE_BUFFERS);
		return made;
	}
	SSL_CTX_free(made);
	return NULL;
}

static bool
expect_host(SSL *ssl, const char *host)
{
	unsigned char address[sizeof(struct in6_addr)];

	if (inet_pton(AF_INET, host, address) == 1 ||
	    inet_pton(AF_INET6, host, address) == 1)
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl),
			   host) == 1;
	/* RFC 6125, section 6.4.4, and browsers: the subject's name does not
	 * count. */
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
	return SSL_set1_host(ssl, host) == 1 &&
	    SSL_set_tlsext_host_name(ssl, host) == 1;
}

int
tls_open(struct tls **tls, int fd, const char *host, bool http2)
{
	struct tls *t = calloc(1, sizeof(*t));

	if (shared == NULL)
		shared = make_context();
	if (t != NULL && shared != NULL)
		t->ssl = SSL_new(shared);
	if (t != NULL && t->ssl != NULL && SSL_set_fd(t->ssl, fd) == 1 &&
	    expect_host(t->ssl, host) &&
	    (!http2 ||
		SSL_set_alpn_protos(t->ssl, with_http2,
		    sizeof(with_http2) - 1) == 0)) {
		SSL_set_connect_state(t->ssl);
		*tls = t;
		return 0;
	}
	ERR_clear_error();
	tls_close(t);
	return -ENOMEM;
}

void
tls_close(struct tls *tls)
{
	if (tls == NULL)
		return;
	SSL_free(tls->ssl);
	free(tls);
}

/* What a call that returned rc, which is not above 0, means. */
static ssize_t
fault_of(struct tls *t, int rc)
{
	int error = errno;
	int kind = SSL_get_error(t->ssl, rc);
	unsigned long code = ERR_peek_last_error();

	t->waits = kind == SSL_ERROR_WANT_READ;
	if (kind == SSL_ERROR_WANT_READ || kind == SSL_ERROR_WANT_WRITE)
		return -EAGAIN;
	if (kind == SSL_ERROR_ZERO_RETURN)
		return 0;
	if (kind == SSL_ERROR_SYSCALL)
		return error != 0 ? -error : 0;
	long verdict = SSL_get_verify_result(t->ssl);
	if (verdict != X509_V_OK) {
		t->fault = X509_verify_cert_error_string(verdict);
		return -EKEYREJECTED;
	}
	/* An end without a word is common, and HTTP tells whether all was said. */
	if (ERR_GET_LIB(code) == ERR_LIB_SSL &&
	    ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
		return 0;
	t->fault = ERR_reason_error_string(code);
	if (t->fault == NULL)
		t->fault = "TLS failed";
	return -EPROTO;
}

ssize_t
tls_send(struct tls *tls, const char *from, size_t len)
{
	size_t sent;

	ERR_clear_error();
	errno = 0;
	int rc = SSL_write_ex(tls->ssl, from, len, &sent);
	if (rc == 1) {
		tls->waits = false;
		return (ssize_t)sent;
	}
	ssize_t fault = fault_of(tls, rc);
	return fault != 0 ? fault : -EPIPE;
}

ssize_t
tls_receive(struct tls *tls, char *to, size_t room)
{
	bool waits = tls->waits;
	size_t received;

	ERR_clear_error();
	errno = 0;
	int rc = SSL_read_ex(tls->ssl, to, room, &received);
	if (rc == 1)
		return (ssize_t)received;
	ssize_t fault = fault_of(tls, rc);
	/* With the handshake over, what is to be sent can go. */
	tls->waits = waits && SSL_is_init_finished(tls->ssl) == 0;
	return fault;
}

bool
tls_waits(const struct tls *tls)
{
	return tls->waits;
}

bool
tls_is_agreed(const struct tls *tls)
{
	return SSL_is_init_finished(tls->ssl) != 0;
}

bool
tls_is_http2(const struct tls *tls)
{
	const unsigned char *name;
	unsigned len;

	SSL_get0_alpn_selected(tls->ssl, &name, &len);
	return len == 2 && memcmp(name, "h2", 2) == 0;
}

const char *
tls_fault(const struct tls *tls)
{
	return tls->fault;
}

#else

const bool tls_is_built = false;

int
tls_open(struct tls **tls, int fd, const char *host, bool http2)
{
	(void)fd;
	(void)host;
	(void)http2;
	*tls = NULL;
	return -EPROTONOSUPPORT;
}

void
tls_close(struct tls *tls)
{
	(void)tls;
}

ssize_t
tls_send(struct tls *tls, const char *from, size_t len)
{
	(void)tls;
	(void)from;
	(void)len;
	return -EPROTONOSUPPORT;
}

ssize_t
tls_receive(struct tls *tls, char *to, size_t room)
{
	(void)tls;
	(void)to;
	(void)room;
	return -EPROTONOSUPPORT;
}

bool
tls_waits(const struct tls *tls)
{
	(void)tls;
	return false;
}

bool
tls_is_agreed(const struct tls *tls)
{
	(void)tls;
	return false;
}

bool
tls_is_http2(const struct tls *tls)
{
	(void)tls;
	return false;
}

const char *
tls_fault(const struct tls *tls)
{
	(void)tls;
	return NULL;
}

#endif
