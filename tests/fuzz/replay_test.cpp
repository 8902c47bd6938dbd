// Runs one fuzz target over its corpus, so that builds without libFuzzer keep what fuzzing has
// found.

#include "tests/fuzz/fuzz_input.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace {

TEST_CASE("corpus: every input passes the " WEIR_FUZZ_TARGET " target") {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator{WEIR_CORPUS_DIR}) {
        files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    REQUIRE(!files.empty());
    for (const std::filesystem::path& file : files) {
        INFO(file.filename().string());
        std::ifstream stream{file, std::ios::binary};
        REQUIRE(stream);
        const std::string text{std::istreambuf_iterator<char>{stream}, {}};
        CHECK(LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(text.data()),
                                     text.size()) == 0);
    }
}

}  // namespace
