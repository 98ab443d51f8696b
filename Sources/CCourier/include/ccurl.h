// libcurl, as far as the courier may see it: POST requests over http and https that answer within
// bounds of time and size, driven by a loop that owns the waiting. The library is loaded when the
// courier asks for it, so that the relay, which is the same executable, never maps it.
//
// All sockets of a client stand in one epoll descriptor of its own: a loop waits until that is
// readable or `cc_client_wait` milliseconds have passed, and then calls `cc_client_advance`, which
// never waits. (Names are looked up by a thread of the library's own.) Redirects are not followed;
// certificates and host names are verified; proxies are those of the usual variables.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct cc_client cc_client;
typedef struct cc_transfer cc_transfer;

// Why there is no answer.
enum cc_trouble {
  CC_ANSWERED,
  CC_NO_NAME,     // the host's or the proxy's name has no address
  CC_NO_ROUTE,    // nobody takes the connection
  CC_NO_TRUST,    // TLS failed, or the certificate is not accepted
  CC_TOO_SLOW,    // one of the two bounds of time
  CC_BROKEN,      // the connection or what came on it is no whole answer
  CC_OUR_MISTAKE  // the request cannot be made, or there is no memory
};

// NULL once libcurl is there; otherwise the loader's or the library's words.
const char *cc_curl_load(void);

// NULL where there is no memory or no descriptor.
cc_client *cc_client_create(void);
// Ends everything that is under way.
void cc_client_delete(cc_client *client);
int cc_client_descriptor(const cc_client *client);
// Milliseconds after which `cc_client_advance` is wanted at the latest; -1: no deadline.
long cc_client_wait(cc_client *client);
void cc_client_advance(cc_client *client);
// A transfer under way that has a piece to be taken, each in its turn; NULL where none has.
cc_transfer *cc_client_next_piece(cc_client *client);
// A transfer that has ended since, now the caller's to delete; NULL when there are no more.
cc_transfer *cc_client_next_ended(cc_client *client);

// A request that was not begun yet. NULL, false: no memory, or the library refuses the value.
cc_transfer *cc_transfer_create(const char *url, uint64_t id);
// A whole line, without its end.
bool cc_transfer_add_header(cc_transfer *transfer, const char *line);
// Copies the bytes.
bool cc_transfer_set_body(cc_transfer *transfer, const void *bytes, size_t count);
// GET in the place of POST.
bool cc_transfer_set_get(cc_transfer *transfer);
// Trusts the certificates of this file (PEM) instead of the system's.
bool cc_transfer_set_authorities(cc_transfer *transfer, const char *path);
// Goes there itself, whatever the variables for proxies say.
bool cc_transfer_set_direct(cc_transfer *transfer);
// The body of an answer with a status of 2xx is to be taken while it comes, in pieces of at most so
// many bytes, CURL_MAX_WRITE_SIZE or more. While nobody takes them the server has to wait. Of an
// answer with another status so many bytes are kept.
void cc_transfer_set_pieces(cc_transfer *transfer, size_t piece_max);
// `answer_max`: bytes of the answer's body that are kept, or taken in pieces; the transfer ends
// there. The client keeps the transfer, unless the answer is false.
bool cc_transfer_begin(cc_client *client, cc_transfer *transfer, long connect_milliseconds,
                       long total_milliseconds, size_t answer_max);
// Ends it without an answer and deletes it.
void cc_transfer_cancel(cc_client *client, cc_transfer *transfer);
// Of one that is not with a client.
void cc_transfer_delete(cc_transfer *transfer);

// The piece that is there was read (cc_transfer_body): what follows it may come, and may end the
// transfer.
void cc_transfer_took_piece(cc_client *client, cc_transfer *transfer);

// What a transfer that has ended says. Texts are valid until it is deleted.
uint64_t cc_transfer_id(const cc_transfer *transfer);
enum cc_trouble cc_transfer_trouble(const cc_transfer *transfer);
const char *cc_transfer_text(const cc_transfer *transfer);
int cc_transfer_status(const cc_transfer *transfer);
// The body, or what was not taken of it in pieces.
const void *cc_transfer_body(const cc_transfer *transfer, size_t *count);
// Whether the answer's body is taken in pieces, as far as its status is known.
bool cc_transfer_is_in_pieces(const cc_transfer *transfer);
// Whether the answer's body was longer than was to be kept.
bool cc_transfer_is_cut(const cc_transfer *transfer);
// The value of the header `Retry-After`; "" without one.
const char *cc_transfer_retry_after(const cc_transfer *transfer);
// Where a redirect leads; "" where the answer is none.
const char *cc_transfer_redirect(const cc_transfer *transfer);
