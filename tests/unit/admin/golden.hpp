#pragma once

#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

namespace weir::test {

/// Compares a text with a file in the repository. With WEIR_WRITE_GOLDEN=1 in the environment it
/// writes the file instead.
inline void check_golden(const std::string& path, const std::string& text) {
    // Read before any thread is started.
    if (std::getenv("WEIR_WRITE_GOLDEN") != nullptr) {  // NOLINT(concurrency-mt-unsafe)
        std::ofstream{path, std::ios::binary} << text;
    }
    std::ifstream file{path, std::ios::binary};
    const std::string expected{std::istreambuf_iterator<char>{file}, {}};
    INFO("stale? run the test with WEIR_WRITE_GOLDEN=1 and look at the difference: " << path);
    CHECK(text == expected);
}

}  // namespace weir::test
