#include "protocol/scram_attributes.hpp"

#include "base/crypto.hpp"
#include "base/random.hpp"
#include "protocol/limits.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>

namespace weir::protocol::detail {

namespace {

constexpr std::size_t kRawNonceBytes = 18;

bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

}  // namespace

std::optional<ScramAttributes::Attribute> ScramAttributes::take_any() {
    constexpr std::size_t kNameBytes = 2;  // the letter and its '='
    if (!rest_ || rest_->size() < kNameBytes || !is_letter((*rest_)[0]) || (*rest_)[1] != '=') {
        return std::nullopt;
    }
    const char name = (*rest_)[0];
    const std::size_t comma = rest_->find(',', kNameBytes);
    const std::string_view value = rest_->substr(kNameBytes, comma - kNameBytes);
    if (comma == std::string_view::npos) {
        rest_.reset();
    } else {
        rest_->remove_prefix(comma + 1);
    }
    return Attribute{name, value};
}

std::optional<std::string_view> ScramAttributes::take(char name) {
    if (!next_is(name)) {
        return std::nullopt;
    }
    const auto attribute = take_any();
    return attribute ? std::optional{attribute->value} : std::nullopt;
}

bool is_scram_nonce(std::string_view text) {
    const auto may_stand = [](char c) { return c > ' ' && c <= '~' && c != ','; };
    return !text.empty() && std::all_of(text.begin(), text.end(), may_stand);
}

std::optional<unsigned> parse_iterations(std::string_view text) {
    unsigned iterations = 0;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, iterations);
    if (error != std::errc{} || stop != end || text.starts_with('0') ||
        iterations > kMaxScramIterations) {
        return std::nullopt;
    }
    return iterations;
}

std::string channel_binding(std::string_view gs2_header, ByteView end_point) {
    ByteWriter data;
    data.text(gs2_header);
    data.raw(end_point);
    return crypto::base64_encode(data.bytes());
}

std::string make_scram_nonce() {
    std::array<std::byte, kRawNonceBytes> random{};
    fill_random(random);
    return crypto::base64_encode(random);
}

}  // namespace weir::protocol::detail
