// Every operation of our field extension against RISC Zero's own, which our header leaves as `ScalarFpExt`.

#include "fpext.h"

#include <cstdio>
#include <cstring>

using namespace risc0;

static uint64_t state = 88172645463325252;

static uint64_t random64() {
  state ^= state << 13;
  state ^= state >> 7;
  return state ^= state << 17;
}

/// Any element; every other time one whose representation is close to an end, where carries and borrows are.
static Fp element() {
  uint64_t r = random64();
  uint32_t near = uint32_t(r >> 8) % 4;
  uint32_t form = r % 4 == 0 ? near : r % 4 == 1 ? Fp::P - 1 - near : uint32_t(r >> 16) % Fp::P;
  Fp x;
  std::memcpy(static_cast<void*>(&x), &form, sizeof x);
  return x;
}

static ScalarFpExt scalar(FpExt x) { return ScalarFpExt(x.elems[0], x.elems[1], x.elems[2], x.elems[3]); }

static bool same(FpExt x, ScalarFpExt y) {
  for (int i = 0; i < 4; i++) {
    if (x.elems[i].asRaw() >= Fp::P || x.elems[i] != y.elems[i]) {
      return false;
    }
  }
  return true;
}

int main() {
  constexpr FpExt X(0, 1, 0, 0);
  for (int n = 0; n < 1000000; n++) {
    Fp f = element();
    FpExt a(element(), element(), element(), element());
    FpExt b(element(), element(), element(), element());
    ScalarFpExt p = scalar(a), q = scalar(b);
    FpExt c = a;
    ScalarFpExt r = p;
    c += b, c *= f, c -= a, c *= b, c += f, c -= f;
    r += q, r *= f, r -= p, r *= q, r += f, r -= f;
    bool equal = same(a + b, p + q) && same(a - b, p - q) && same(a * b, p * q) && same(-a, -p) &&
                 same(a + f, p + f) && same(a - f, p - f) && same(a * f, p * f) && same(f + a, f + p) &&
                 same(f - a, f - p) && same(f * a, f * p) && same(c, r) && same(a * X, p * scalar(X)) &&
                 (a == b) == (p == q) && a == a && !(a != a) && a.constPart() == p.constPart();
    if (n % 1000 == 0) {
      equal = equal && same(inv(a), inv(p)) && same(pow(a, n), pow(p, n)) && same(FpExt(f), ScalarFpExt(f));
    }
    if (!equal) {
      std::printf("element %d differs\n", n);
      return 1;
    }
  }
  std::puts("equal");
}
