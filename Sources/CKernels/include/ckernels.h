// Vector kernels, and the few libc calls that the engine makes, declared so that the compiler's
// allocation check can follow them. Nothing here allocates, locks or calls the kernel.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Proven free of allocation and locks by reading; the attribute lets Swift's check rely on it.
#define CK_PURE __attribute__((swift_attr("@_noLocks")))

// How many bytes the kernels have written to another place on this thread, for the test that holds
// a frame to its copies; -1 where they are not counted, which is in release.
CK_PURE ptrdiff_t ck_copied(void);

CK_PURE void ck_move(void *to, const void *from, ptrdiff_t count);
CK_PURE void ck_fill(void *to, uint8_t byte, ptrdiff_t count);
CK_PURE bool ck_equal(const void *a, const void *b, ptrdiff_t count);
// The index of the first such byte, or -1.
CK_PURE ptrdiff_t ck_find(const void *from, uint8_t byte, ptrdiff_t count);

// Decodes base64 text without its padding; the bytes written (count * 3 / 4). Where it is not
// base64: -1 less the characters, whole groups of four, that were decoded until then; nothing is
// written from there on. `to` may be `from`, or any place that does not overlap.
CK_PURE ptrdiff_t ck_base64_decode(void *to, const void *from, ptrdiff_t count);
// Writes (count + 2) / 3 * 4 characters, padding included; `to` and `from` do not overlap.
CK_PURE void ck_base64_encode(void *to, const void *from, ptrdiff_t count);

// Masking as WebSocket frames have it: byte i is combined with byte i % 4 of `key`, the lowest
// first. A frame in pieces rotates the key between them. Both answer whether all that came out is
// ASCII.
CK_PURE bool ck_mask(void *bytes, ptrdiff_t count, uint32_t key);
// The same into another place: apart from `from`, or before it and then overlapping at will.
CK_PURE bool ck_mask_copy(void *to, const void *from, ptrdiff_t count, uint32_t key);
// How many leading bytes are ASCII.
CK_PURE ptrdiff_t ck_ascii(const void *from, ptrdiff_t count);

// How many bytes precede the first quote, backslash or control character; `count` where there is
// none.
CK_PURE ptrdiff_t ck_json_run(const void *from, ptrdiff_t count);

// What does not change from one JSON message to the next: the text between its values, in pieces,
// each followed by a value of a kind, which plays a role. Quotes, and the bracket that opens a
// list, belong to the text; no piece is empty. The last one ends the message.
enum { CK_SHAPE_TEXT = 168, CK_SHAPE_PIECES = 10 };
enum { CK_END, CK_STRING, CK_NUMBER, CK_LIST };
enum { CK_UNASKED, CK_PAYLOAD, CK_ITEM, CK_TIMESTAMP, CK_TRACK, CK_ORDER, CK_RATE,
       CK_RESPONSE };
typedef struct {
  uint8_t text[CK_SHAPE_TEXT];
  uint8_t lengths[CK_SHAPE_PIECES];
  uint8_t kinds[CK_SHAPE_PIECES];
  uint8_t roles[CK_SHAPE_PIECES];
  uint8_t count;
} ck_shape;
// Where a value lies in a message; an end of 0: there is none.
typedef struct {
  uint32_t start, end;
} ck_span;
// One for each role, in their order.
typedef struct {
  ck_span unasked, payload, item, timestamp, track, order, rate, response;
} ck_spans;
// Adds a piece; false where there is no room for it.
CK_PURE bool ck_shape_add(ck_shape *shape, const void *text, ptrdiff_t length, int kind, int role);
// Whether this is a part of the text.
CK_PURE bool ck_shape_has(const ck_shape *shape, const void *part, ptrdiff_t length);
// Finds the values of a message of this shape; -1, or the index of the piece where it is another. A
// string is one without escapes, a number has digits alone, a list ends with its first bracket,
// which counts as its last byte.
CK_PURE int ck_shape_match(const ck_shape *shape, const void *from, ptrdiff_t count,
                           ck_spans *values);

// How many bytes, each combined with `turning` and then without its highest bit, are at least
// `level`; how many of `count` samples of two bytes are at least `level` away from zero.
CK_PURE ptrdiff_t ck_loud_bytes(const void *from, ptrdiff_t count, uint8_t turning, uint8_t level);
CK_PURE ptrdiff_t ck_loud_samples(const void *from, ptrdiff_t count, bool is_swapped,
                                  uint16_t level);

// How samples are written: G.711, or two bytes, the low one first or the high one.
enum { CK_MULAW, CK_ALAW, CK_LINEAR, CK_SWAPPED };
// The loudest that G.711 has, and 0.2 dB below the loudest of 16 bits.
enum { CK_CLIPPED = 32124 };
// The sum of the squares of samples, and how many are at least CK_CLIPPED away from zero.
typedef struct {
  float power;
  uint32_t clipped;
} ck_sound;
// That of `count` samples, a multiple of 8, of one of so many channels.
CK_PURE ck_sound ck_sound_of(const void *from, ptrdiff_t count, ptrdiff_t channels, int kind);
// How often the sign changes between neighbours of `count` samples; `from`: the byte that holds the
// sign of the first, as its highest bit, and `step` bytes behind it that of the next.
CK_PURE ptrdiff_t ck_crossings(const void *from, ptrdiff_t count, ptrdiff_t step);

// G.711 between bytes on the wire and 16-bit little-endian samples, `count` of them. `to` and
// `from` do not overlap, but encoding may begin where its source begins.
CK_PURE void ck_mulaw_encode(void *to, const void *from, ptrdiff_t count);
CK_PURE void ck_mulaw_decode(void *to, const void *from, ptrdiff_t count);
CK_PURE void ck_alaw_encode(void *to, const void *from, ptrdiff_t count);
CK_PURE void ck_alaw_decode(void *to, const void *from, ptrdiff_t count);
// Turns the byte order of so many 16-bit samples; `to` may be `from`.
CK_PURE void ck_swap16(void *to, const void *from, ptrdiff_t count);
// Between such samples and 32-bit floats of the same scale, `count` of them; `to` and `from` do not
// overlap. Rounding takes the nearest sample, and the loudest one for what is louder than any.
CK_PURE void ck_widen(void *to, const void *from, ptrdiff_t count);
CK_PURE void ck_round(void *to, const void *from, ptrdiff_t count);

// CRC-32C (Castagnoli; RFC 3720 §12.1) of bytes that follow others of which it was `before`; 0
// where none came before.
CK_PURE uint32_t ck_crc32c(uint32_t before, const void *from, ptrdiff_t count);
// The same, without the processor's instruction.
CK_PURE uint32_t ck_crc32c_plain(uint32_t before, const void *from, ptrdiff_t count);
