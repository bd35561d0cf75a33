// Random numbers that are a function of where they are used: Philox 4x32-10, key = seed, counter = (request, step,
// lane).
//
//   CounterRandom random{.seed = 7};
//   float u = random.Uniform(request, step, lane);   // same arguments, same number, in any order, on any thread
//
// Source: Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3", section 3.3 and table 2.
#pragma once

#include <array>
#include <cstdint>

namespace octet {

// Ten rounds of Philox on four 32-bit words.
constexpr std::array<uint32_t, 4> Philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t first = uint64_t{0xD2511F53} * counter[0];
    const uint64_t second = uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<uint32_t>(second >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(second),
               static_cast<uint32_t>(first >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(first)};
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return counter;
}

struct CounterRandom {
  uint64_t seed = 0;

  // 32 random bits. Request numbers count to 2^32, steps to 2^32, lanes to 2^34; four neighbouring lanes share one
  // Philox call's words.
  constexpr uint32_t Bits(uint32_t request, uint32_t step, uint64_t lane = 0) const {
    const uint64_t group = lane / 4;
    const std::array<uint32_t, 4> words =
        Philox4x32({static_cast<uint32_t>(group), static_cast<uint32_t>(group >> 32), step, request},
                   {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)});
    return words[lane % 4];
  }

  // In [0, 1), a multiple of 2^-24, so that every value is exact in float.
  constexpr float Uniform(uint32_t request, uint32_t step, uint64_t lane = 0) const {
    return static_cast<float>(Bits(request, step, lane) >> 8) * 0x1p-24f;
  }
};

}  // namespace octet
