// OpenSSL as Swift sees it: its headers, and functions in the place of its macros, which Swift
// cannot call.
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

// TLS 1.2 and 1.3, and of 1.2 only what 1.3 has: an ephemeral exchange on a curve, and ciphers that
// authenticate. A key exchange costs a server most of a handshake, and the client chooses it: over
// ffdhe8192 it takes 180 ms, over the curves here a few at most. Where FIPS rules, X25519 is not
// known, and NIST's curves are all there is. False where this OpenSSL has not even those.
static inline int co_restrict(SSL_CTX *context, const char *groups) {
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(context, 1);
  return (SSL_CTX_set1_groups_list(context, groups) == 1 ||
          SSL_CTX_set1_groups_list(context, "P-256:P-384") == 1) &&
         SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1;
}

static inline void co_cache_no_sessions(SSL_CTX *context) {
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
}

static inline void co_hand_out_sessions(SSL_CTX *context) {
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
}

static inline void co_set_context_data(SSL_CTX *context, void *data) {
  SSL_CTX_set_app_data(context, data);
}
static inline void *co_context_data(const SSL_CTX *context) {
  return SSL_CTX_get_app_data(context);
}
static inline void co_set_data(SSL *ssl, void *data) { SSL_set_app_data(ssl, data); }
static inline void *co_data(const SSL *ssl) { return SSL_get_app_data(ssl); }

static inline void co_set_server_name(SSL *ssl, const char *name) {
  SSL_set_tlsext_host_name(ssl, name);
}

static inline void *co_malloc(size_t count) { return OPENSSL_malloc(count); }
static inline void co_free(void *pointer) { OPENSSL_free(pointer); }
