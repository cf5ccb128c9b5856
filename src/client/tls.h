/*
 * TLS for a client, by OpenSSL: the only module that knows it.
 *
 * The server must show a certificate that browsers would take: for this host,
 * signed by somebody whom the machine trusts.  SSL_CERT_FILE and SSL_CERT_DIR name
 * others to trust, as OpenSSL has it.
 *
 * Where peal was built without OpenSSL, tls_is_built is false, and tls_open()
 * fails.
 */
#ifndef PEAL_TLS_H
#define PEAL_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

extern const bool tls_is_built;

struct tls;

/*
 * Begin as a client on a socket that never waits and may still be connecting.
 * host is a name or an address, without brackets.  http2 offers HTTP/2 beside
 * HTTP/1.1.  The socket stays the caller's, who closes it after tls_close().
 *
 * Returns 0, -ENOMEM, or -EPROTONOSUPPORT where there is no OpenSSL.
 */
int tls_open(struct tls **tls, int fd, const char *host, bool http2);

/* tls may be NULL. */
void tls_close(struct tls *tls);

/*
 * Send, receive: bytes of the application; the handshake goes along with it.
 *
 * Return their number, 0 from tls_receive() at the end, -EAGAIN, or
 *   -EKEYREJECTED  the certificate is not accepted
 *   -EPROTO        the other side does not keep to the protocol, or ends it
 *   other -errno from the socket
 * With these two tls_fault() has a phrase for it.
 */
ssize_t tls_send(struct tls *tls, const char *from, size_t len);
ssize_t tls_receive(struct tls *tls, char *to, size_t room);

/* The last tls_send() that returned -EAGAIN waits for something to arrive. */
bool tls_waits(const struct tls *tls);

/* The handshake is over; and the server then speaks HTTP/2. */
bool tls_is_agreed(const struct tls *tls);
bool tls_is_http2(const struct tls *tls);

/* NULL, or a phrase of static storage. */
const char *tls_fault(const struct tls *tls);

#endif
