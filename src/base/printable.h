/*
 * Foreign text for people: the one way on which bytes from a peer, a file or the
 * arena get to a terminal or the log.
 *
 * What could steer a terminal or turn a line around becomes '?', one for each
 * character: C0 and C1 control characters, DEL, the controls of bidirectional text,
 * line and paragraph separators, and every byte that is no UTF-8.
 * Source: ECMA-48 (control functions); Unicode Standard Annex #9, section 2
 * (explicit directional formatting characters).
 */
#ifndef PEAL_PRINTABLE_H
#define PEAL_PRINTABLE_H

#include "base/buf.h"
#include "base/span.h"

/* Append text to out. */
void printable_put(struct buf *out, struct span text);

/* The same in place; text is NUL-terminated, and never gets longer. */
void printable_clean(char *text);

#endif
