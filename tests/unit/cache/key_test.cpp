#include "cache/key.hpp"

#include <doctest/doctest.h>

#include <map>
#include <random>
#include <string>
#include <unordered_map>
#include <vector>

using weir::cache::Key;
using weir::cache::KeyBuilder;
using weir::cache::KeyHash;
using weir::cache::KeyView;

namespace {

/// One part as a test writes it down: its kind, then what it is.
std::string bytes_of(const std::vector<std::string>& parts) {
    KeyBuilder builder;
    for (const std::string& part : parts) {
        switch (part[0]) {
            case 'n': builder.add_null(); break;
            case '#': builder.add_number(part.size()); break;
            case '[': builder.add_list(part.size()); break;
            default: builder.add(part.substr(1)); break;
        }
    }
    return std::string{builder.view().bytes};
}

}  // namespace

TEST_CASE("what could be mistaken for something else gives another key") {
    CHECK(bytes_of({"bab", "bc"}) != bytes_of({"ba", "bbc"}));
    CHECK(bytes_of({"babc"}) != bytes_of({"bab", "bc"}));
    CHECK(bytes_of({"b"}) != bytes_of({"n"}));
    CHECK(bytes_of({"b"}) != bytes_of({}));
    CHECK(bytes_of({"b", "b"}) != bytes_of({"b"}));
    CHECK(bytes_of({"[", "ba", "[", "bb"}) != bytes_of({"[ ", "ba", "[", "bb"}));
    CHECK(bytes_of({"#"}) != bytes_of({"["}));
    CHECK(bytes_of({"ba"}) == bytes_of({"ba"}));
    // The bytes of one part inside of another.
    CHECK(bytes_of({"b" + bytes_of({"ba"})}) != bytes_of({"b", "ba"}));
}

TEST_CASE("no two lists of parts give the same key, whatever is in them") {
    std::mt19937_64 random{7};  // NOLINT(cert-msc51-cpp): the same in every run
    std::map<std::string, std::vector<std::string>> seen;
    const std::string letters{"bn#[\0\1\2", 7};
    for (int round = 0; round < 100'000; ++round) {
        std::vector<std::string> parts;
        for (auto count = random() % 5; count > 0; --count) {
            constexpr std::string_view kKinds = "bn#[";
            std::string part{kKinds[random() % kKinds.size()]};
            if (part != "n") {
                for (auto size = random() % 11; size > 0; --size) {
                    part += part[0] == 'b' ? letters[random() % letters.size()] : part[0];
                }
            }
            parts.push_back(part);
        }
        const auto [place, is_new] = seen.try_emplace(bytes_of(parts), parts);
        REQUIRE((is_new || place->second == parts));
    }
}

TEST_CASE("a key knows where its statement's text is") {
    KeyBuilder builder;
    builder.add("shop").add_text("select 1").add_null();
    CHECK(builder.view().text() == "select 1");
    const Key kept{builder.view()};
    builder.clear();
    CHECK(builder.view().bytes.empty());
    CHECK(builder.view().text().empty());
    CHECK(kept.view().text() == "select 1");
}

TEST_CASE("a kept key is found by a borrowed one") {
    KeyBuilder builder;
    builder.add("one");
    const Key kept{builder.view()};
    const std::unordered_map<KeyView, int, KeyHash> table{{kept.view(), 1}};
    builder.clear();
    builder.add("one");
    CHECK(table.contains(builder.view()));
    builder.clear();
    builder.add("two");
    CHECK_FALSE(table.contains(builder.view()));
}

TEST_CASE("keys of one hash are told apart by their bytes") {
    const KeyView one{.bytes = "one", .hash = 1};
    const KeyView two{.bytes = "two", .hash = 1};
    CHECK_FALSE(one == two);
    CHECK(one == KeyView{.bytes = "one", .hash = 1, .text_begin = 1, .text_size = 2});
}
