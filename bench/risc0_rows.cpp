// Times the polynomial that a RISC Zero proof evaluates row by row, on made-up columns: half of the time of a segment's
// proof. With -DRECURSION that of lifts and joins. Prints CPU seconds and a digest of the results, which must not depend on
// how it was compiled.

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <sys/resource.h>
#include <vector>

struct Element {
  uint32_t parts[4];
};

#ifdef RECURSION
// The circuit of lifts and joins: a C++ function, whose types depend on the arithmetic.
#include "fp.h"
#include "fpext.h"

namespace risc0::circuit::recursion {
FpExt poly_fp(size_t row, size_t rows, FpExt* mix, Fp** columns);
}

static const char* poly_fp(size_t row, size_t rows, Element* mix, uint32_t** columns, Element* result) {
  using risc0::Fp, risc0::FpExt;
  static_assert(sizeof(FpExt) == sizeof(Element) && sizeof(Fp) == sizeof(uint32_t));
  auto* powers = reinterpret_cast<FpExt*>(mix);
  auto** groups = reinterpret_cast<Fp**>(columns);
  FpExt sum = risc0::circuit::recursion::poly_fp(row, rows, powers, groups);
  std::memcpy(result, &sum, sizeof sum);
  return nullptr;
}
#else
extern "C" const char*
risc0_circuit_rv32im_cpu_poly_fp(size_t row, size_t rows, Element* mix, uint32_t** columns, Element* result);
constexpr auto poly_fp = risc0_circuit_rv32im_cpu_poly_fp;
#endif

static uint32_t random_element() {
  static uint64_t state = 88172645463325252;
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  constexpr uint32_t P = 2013265921;
  switch (state % 64) {
  case 0:
    return 0;
  case 1:
    return P - 1;
  default:
    return uint32_t(state >> 8) % P;
  }
}

static double cpu_seconds() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return double(usage.ru_utime.tv_sec) + double(usage.ru_utime.tv_usec) / 1e6;
}

int main() {
  // More groups, columns and powers than either circuit has.
  constexpr size_t ROWS = 1024, COLUMNS = 512, POWERS = 2048, TIMED = 4096;
  std::vector<uint32_t> groups[5];
  uint32_t* columns[5];
  for (int i = 0; i < 5; i++) {
    groups[i].resize(COLUMNS * ROWS);
    for (auto& x : groups[i]) {
      x = random_element();
    }
    columns[i] = groups[i].data();
  }
  std::vector<Element> mix(POWERS);
  for (auto& power : mix) {
    for (auto& x : power.parts) {
      x = random_element();
    }
  }
  uint64_t digest = 1469598103934665603;
  double start = cpu_seconds();
  for (size_t i = 0; i < TIMED; i++) {
    Element result;
    if (const char* error = poly_fp(i * 37 % ROWS, ROWS, mix.data(), columns, &result)) {
      std::fprintf(stderr, "%s\n", error);
      return 1;
    }
    for (auto x : result.parts) {
      digest = (digest ^ x) * 1099511628211;
    }
  }
  std::printf("%.6f %016llx\n", cpu_seconds() - start, static_cast<unsigned long long>(digest));
}
