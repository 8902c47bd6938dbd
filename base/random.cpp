#include "base/random.hpp"

#include "base/check.hpp"

#include <sys/random.h>

#include <cerrno>
#include <random>

namespace weir {

void fill_random(std::span<std::byte> out) {
    while (!out.empty()) {
        const ssize_t got = getrandom(out.data(), out.size(), 0);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        WEIR_CHECK(got > 0);  // without randomness keys could be guessed
        out = out.subspan(static_cast<std::size_t>(got));
    }
}

std::uint32_t random_u32() {
    std::uint32_t value = 0;
    fill_random(std::as_writable_bytes(std::span{&value, 1}));
    return value;
}

double random_unit() {
    // The kernel is asked once: a call for each statement is felt.
    thread_local std::mt19937 generator{random_u32()};
    constexpr double kRange = 4294967296.0;  // 2^32
    return static_cast<double>(generator()) / kRange;
}

}  // namespace weir
