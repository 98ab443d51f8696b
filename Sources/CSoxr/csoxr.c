// Settings of libsoxr that are the same for every stream. What differs is the recipe's business.
#include "csoxr.h"

#include <pthread.h>
#include <soxr.h>

static soxr_t create(ptrdiff_t from, ptrdiff_t to, double passband, double stopband, double phase,
                     unsigned size) {
  soxr_quality_spec_t quality = soxr_quality_spec(SOXR_HQ, 0);
  // The fewest bits that libsoxr accepts: 96 dB, all that 16-bit samples can hold.
  quality.precision = 15;
  quality.passband_end = passband;
  quality.stopband_begin = stopband;
  quality.phase_response = phase;
  soxr_runtime_spec_t runtime = soxr_runtime_spec(1);
  runtime.log2_min_dft_size = runtime.log2_large_dft_size = size;
  // Floats are what it calculates with; 16-bit samples it would round one by one.
  const soxr_io_spec_t io = soxr_io_spec(SOXR_FLOAT32_I, SOXR_FLOAT32_I);
  soxr_error_t error = NULL;
  const soxr_t stream = soxr_create((double)from, (double)to, 1, &error, &io, &quality, &runtime);
  if (!error) return stream;
  if (stream) soxr_delete(stream);
  return NULL;
}

// The first design of a minimum-phase filter fills a table of the whole process, without a guard:
// threads that did so at once got wrong filters or crashed. So one design comes before all others.
static void fill_table(void) {
  const soxr_t stream = create(8000, 16000, 0.869, 1.131, 0, 8);
  if (stream) soxr_delete(stream);
}

csoxr_stream *csoxr_create(ptrdiff_t from, ptrdiff_t to, double passband, double stopband,
                           double phase, unsigned size) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, fill_table);
  return (csoxr_stream *)create(from, to, passband, stopband, phase, size);
}

ptrdiff_t csoxr_process(csoxr_stream *stream, const void *samples, ptrdiff_t count, void *out,
                        ptrdiff_t room) {
  size_t taken = 0, made = 0;
  const soxr_error_t error =
      soxr_process((soxr_t)stream, samples, (size_t)count, &taken, out, (size_t)room, &made);
  return error || taken != (size_t)count ? -1 : (ptrdiff_t)made;
}

void csoxr_delete(csoxr_stream *stream) { soxr_delete((soxr_t)stream); }
