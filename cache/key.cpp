#include "cache/key.hpp"

#include "base/check.hpp"
#include "base/random.hpp"

#include <array>
#include <cstring>
#include <limits>

#define XXH_INLINE_ALL  // NOLINT(readability-identifier-naming): the library's
#include <xxhash.h>

namespace weir::cache {

namespace {

constexpr char kBytes = 'b';
constexpr char kNull = 'n';
constexpr char kNumber = '#';
constexpr char kList = '[';

/// Nobody outside can choose texts that fall on one place of the hash tables.
std::uint64_t process_seed() {
    static const std::uint64_t kSeed = [] {
        std::array<std::byte, sizeof(std::uint64_t)> bytes{};
        fill_random(bytes);
        std::uint64_t seed = 0;
        std::memcpy(&seed, bytes.data(), bytes.size());
        return seed;
    }();
    return kSeed;
}

}  // namespace

std::uint64_t hash_of(std::string_view text, std::string_view values) {
    const std::uint64_t seed = process_seed();
    return XXH3_64bits_withSeed(
        text.data(),
        text.size(),
        values.empty() ? seed : XXH3_64bits_withSeed(values.data(), values.size(), seed));
}

void KeyBuilder::clear() {
    bytes_.clear();
    text_begin_ = 0;
    text_size_ = 0;
}

/// The same on every machine: keys go to other processes too.
void KeyBuilder::add_head(char kind, std::uint64_t number) {
    constexpr unsigned kBitsPerByte = 8;
    std::array<char, 1 + sizeof(number)> head{kind};
    for (std::size_t i = 0; i < sizeof(number); ++i) {
        head[sizeof(number) - i] = static_cast<char>(number >> (kBitsPerByte * i) & 0xffU);
    }
    bytes_.append(head.data(), head.size());
}

KeyBuilder& KeyBuilder::add(std::string_view part) {
    add_head(kBytes, part.size());
    bytes_ += part;
    return *this;
}

KeyBuilder& KeyBuilder::add_text(std::string_view text) {
    add(text);
    WEIR_CHECK(bytes_.size() <= std::numeric_limits<std::uint32_t>::max());
    text_begin_ = static_cast<std::uint32_t>(bytes_.size() - text.size());
    text_size_ = static_cast<std::uint32_t>(text.size());
    return *this;
}

KeyBuilder& KeyBuilder::add_null() {
    bytes_ += kNull;
    return *this;
}

KeyBuilder& KeyBuilder::add_number(std::uint64_t number) {
    add_head(kNumber, number);
    return *this;
}

KeyBuilder& KeyBuilder::add_list(std::size_t count) {
    add_head(kList, count);
    return *this;
}

KeyView KeyBuilder::view() const {
    return {bytes_,
            XXH3_64bits_withSeed(bytes_.data(), bytes_.size(), process_seed()),
            text_begin_,
            text_size_};
}

}  // namespace weir::cache
