// Field extension arithmetic of the RISC Zero CPU prover, four lanes at a time.
//
// The prover's generated C++ multiplies and adds elements of F_p[X]/(X^4 + 11) some eleven thousand times a row. With
// the arithmetic it brings, which is scalar, compilers make each of these a call. This header takes its place: it is
// included ahead of every C++ file (`.cargo/config.toml`), and where RISC Zero's `fpext.h` is in reach it lets that
// header define its type under another name, and defines `risc0::FpExt` itself: same layout, same values, bit for bit
// (elements are kept in Montgomery form, always below P), so proofs are the same and any verifier accepts them.
// Everything is inlined by force: a crate that is compiled without optimisation must not lend its copies to others.
//
// Needs SSE2 only, which every x86-64 processor has; more is used where the compiler may (`-march=native`).

#if defined(__cplusplus) && defined(__SSE2__) && defined(__GNUC__)
#if __has_include("fp.h") && __has_include("fpext.h") && __has_include("vendor/poolstl.hpp")

#include "fp.h"
#define FpExt ScalarFpExt
#include "fpext.h"
#undef FpExt

#include <immintrin.h>

#define ZKPOOL_INLINE inline __attribute__((always_inline))

namespace zkpool::lanes {

/// Four field elements in Montgomery form, each below P.
using Lanes = __m128i;

constexpr uint32_t P = risc0::Fp::P;
/// The inverse of P modulo 2^32.
constexpr uint32_t P_INVERSE = risc0::Fp::M;

ZKPOOL_INLINE Lanes all(uint32_t x) { return _mm_set1_epi32(int(x)); }

/// Brings lanes of (-P, P), seen as signed, to [0, P).
ZKPOOL_INLINE Lanes canonical(Lanes x) {
#ifdef __SSE4_1__
  return _mm_min_epu32(x, _mm_add_epi32(x, all(P)));
#else
  return _mm_add_epi32(x, _mm_and_si128(_mm_srai_epi32(x, 31), all(P)));
#endif
}

ZKPOOL_INLINE Lanes sub(Lanes a, Lanes b) { return canonical(_mm_sub_epi32(a, b)); }

ZKPOOL_INLINE Lanes add(Lanes a, Lanes b) { return canonical(_mm_sub_epi32(_mm_add_epi32(a, b), all(P))); }

/// Lanes 1 and 3, in the places of 0 and 2.
ZKPOOL_INLINE Lanes odd(Lanes x) { return _mm_srli_epi64(x, 32); }

/// The upper halves of four products, of which `even` holds those of lanes 0 and 2.
ZKPOOL_INLINE Lanes upper(Lanes even, Lanes odd) {
  return _mm_or_si128(_mm_srli_epi64(even, 32), _mm_and_si128(odd, _mm_set1_epi64x(int64_t(0xffffffff00000000))));
}

/// `a` times one element.
ZKPOOL_INLINE Lanes scale(Lanes a, uint32_t by) {
  Lanes b = all(by);
  Lanes c = all(by * P_INVERSE);
  Lanes a1 = odd(a);
  // x - (x / P mod 2^32) * P is a multiple of 2^32, and its upper half within (-P, P): Montgomery's reduction of x.
  Lanes r0 = _mm_sub_epi64(_mm_mul_epu32(a, b), _mm_mul_epu32(_mm_mul_epu32(a, c), all(P)));
  Lanes r1 = _mm_sub_epi64(_mm_mul_epu32(a1, b), _mm_mul_epu32(_mm_mul_epu32(a1, c), all(P)));
  return canonical(_mm_or_si128(odd(r0), r1));
}

ZKPOOL_INLINE Lanes swap_middle(Lanes low, Lanes high) {
  // (low[1], high[0]), as 64-bit halves.
  return _mm_castpd_si128(_mm_shuffle_pd(_mm_castsi128_pd(low), _mm_castsi128_pd(high), 1));
}

/// The product of two elements of the extension.
ZKPOOL_INLINE Lanes product(Lanes a, Lanes b) {
  constexpr uint32_t MINUS_ELEVEN = risc0::Fp(P - 11).asRaw();
  // What wraps around X^4 comes back times -11.
  Lanes w = scale(b, MINUS_ELEVEN);
  Lanes b1 = odd(b);
  Lanes w1 = odd(w);
  Lanes w3b1 = swap_middle(w1, b1);
  Lanes w2b0 = swap_middle(w, b);
  Lanes x0 = _mm_shuffle_epi32(a, 0x00);
  Lanes x1 = _mm_shuffle_epi32(a, 0x55);
  Lanes x2 = _mm_shuffle_epi32(a, 0xaa);
  Lanes x3 = _mm_shuffle_epi32(a, 0xff);
  // Four products of elements stay below 2^64.
  Lanes t0 = _mm_add_epi64(_mm_add_epi64(_mm_mul_epu32(x0, b), _mm_mul_epu32(x1, w3b1)),
                           _mm_add_epi64(_mm_mul_epu32(x2, w2b0), _mm_mul_epu32(x3, w1)));
  Lanes t1 = _mm_add_epi64(_mm_add_epi64(_mm_mul_epu32(x0, b1), _mm_mul_epu32(x1, b)),
                           _mm_add_epi64(_mm_mul_epu32(x2, w3b1), _mm_mul_epu32(x3, w2b0)));
  Lanes q0 = _mm_mul_epu32(_mm_mul_epu32(t0, all(P_INVERSE)), all(P));
  Lanes q1 = _mm_mul_epu32(_mm_mul_epu32(t1, all(P_INVERSE)), all(P));
  return sub(canonical(_mm_sub_epi32(upper(t0, t1), all(P))), upper(q0, q1));
}

} // namespace zkpool::lanes

namespace risc0 {

/// An element of F_p[X]/(X^4 + 11).
struct FpExt {
  union {
    /// The coefficients, that of X^0 first.
    Fp elems[4];
    /// The same as lanes, which need not be aligned.
    __m128i_u lanes;
  };

  constexpr FpExt() : elems{Fp(), Fp(), Fp(), Fp()} {}
  explicit constexpr FpExt(uint32_t x) : FpExt(Fp(x)) {}
  explicit constexpr FpExt(Fp x) : elems{x, Fp(), Fp(), Fp()} {}
  constexpr FpExt(Fp a, Fp b, Fp c, Fp d) : elems{a, b, c, d} {}
  ZKPOOL_INLINE explicit FpExt(__m128i lanes) : lanes(lanes) {}
  static constexpr FpExt invalid() { return FpExt(Fp::invalid(), Fp::invalid(), Fp::invalid(), Fp::invalid()); }

  ZKPOOL_INLINE FpExt operator+(FpExt y) const { return FpExt(zkpool::lanes::add(lanes, y.lanes)); }
  ZKPOOL_INLINE FpExt operator-(FpExt y) const { return FpExt(zkpool::lanes::sub(lanes, y.lanes)); }
  ZKPOOL_INLINE FpExt operator*(FpExt y) const { return FpExt(zkpool::lanes::product(lanes, y.lanes)); }
  ZKPOOL_INLINE FpExt operator-() const { return FpExt(zkpool::lanes::sub(_mm_setzero_si128(), lanes)); }

  ZKPOOL_INLINE FpExt operator+(Fp y) const { return *this + FpExt(_mm_cvtsi32_si128(int(y.asRaw()))); }
  ZKPOOL_INLINE FpExt operator-(Fp y) const { return *this - FpExt(_mm_cvtsi32_si128(int(y.asRaw()))); }
  ZKPOOL_INLINE FpExt operator*(Fp y) const { return FpExt(zkpool::lanes::scale(lanes, y.asRaw())); }

  template <class T> ZKPOOL_INLINE FpExt operator+=(T y) { return *this = *this + y; }
  template <class T> ZKPOOL_INLINE FpExt operator-=(T y) { return *this = *this - y; }
  template <class T> ZKPOOL_INLINE FpExt operator*=(T y) { return *this = *this * y; }

  ZKPOOL_INLINE bool operator==(FpExt y) const {
    return _mm_movemask_epi8(_mm_cmpeq_epi32(lanes, y.lanes)) == 0xffff;
  }
  ZKPOOL_INLINE bool operator!=(FpExt y) const { return !(*this == y); }

  ZKPOOL_INLINE constexpr Fp constPart() const { return elems[0]; }
};

static_assert(sizeof(FpExt) == 16 && alignof(FpExt) == 4, "the prover shares arrays of elements with Rust");

ZKPOOL_INLINE FpExt operator*(Fp x, FpExt y) { return y * x; }
ZKPOOL_INLINE FpExt operator+(Fp x, FpExt y) { return y + x; }
ZKPOOL_INLINE FpExt operator-(Fp x, FpExt y) { return x + -y; }

ZKPOOL_INLINE FpExt pow(FpExt x, size_t n) {
  FpExt power(1);
  for (; n != 0; n /= 2) {
    if (n % 2 == 1) {
      power *= x;
    }
    x *= x;
  }
  return power;
}

/// One over `x`; zero for zero.
ZKPOOL_INLINE FpExt inv(FpExt x) {
  ScalarFpExt y = inv(ScalarFpExt(x.elems[0], x.elems[1], x.elems[2], x.elems[3]));
  return FpExt(y.elems[0], y.elems[1], y.elems[2], y.elems[3]);
}

} // namespace risc0

#undef ZKPOOL_INLINE

#endif
#endif
