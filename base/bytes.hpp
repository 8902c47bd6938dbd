#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace weir {

using ByteView = std::span<const std::byte>;

[[nodiscard]] inline ByteView as_bytes(std::string_view text) {
    return std::as_bytes(std::span<const char>{text.data(), text.size()});
}

[[nodiscard]] inline std::string_view as_text(ByteView bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// @param bytes at least four
/// @return the big-endian number that `bytes` begins with
[[nodiscard]] inline std::uint32_t load_u32(ByteView bytes) {
    const auto raw = bytes.first<sizeof(std::uint32_t)>();
    const auto at = [&raw](std::size_t i) { return std::to_integer<std::uint32_t>(raw[i]); };
    return at(0) << 24U | at(1) << 16U | at(2) << 8U | at(3);
}

/// Reads big-endian fields out of bytes that came from the network. Every read is bounds-checked; a
/// read that does not fit returns nothing and moves nothing.
///
/// @cost O(1) per read except cstring(), which scans; no allocation
/// @valid what is returned points into the bytes given
class ByteReader {
public:
    explicit ByteReader(ByteView bytes) : rest_{bytes} {}

    [[nodiscard]] std::size_t remaining() const { return rest_.size(); }

    [[nodiscard]] ByteView rest() const { return rest_; }

    [[nodiscard]] std::optional<std::uint8_t> u8() { return integer<std::uint8_t>(); }

    [[nodiscard]] std::optional<std::uint16_t> u16() { return integer<std::uint16_t>(); }

    [[nodiscard]] std::optional<std::uint32_t> u32() { return integer<std::uint32_t>(); }

    [[nodiscard]] std::optional<std::int32_t> i32() {
        const auto raw = integer<std::uint32_t>();
        return raw ? std::optional{static_cast<std::int32_t>(*raw)} : std::nullopt;
    }

    /// @return the text up to (not with) the next zero byte, which is consumed too
    [[nodiscard]] std::optional<std::string_view> cstring() {
        const std::size_t length = as_text(rest_).find('\0');
        if (length == std::string_view::npos) {
            return std::nullopt;
        }
        const std::string_view text = as_text(rest_.first(length));
        rest_ = rest_.subspan(length + 1);
        return text;
    }

    [[nodiscard]] std::optional<ByteView> take(std::size_t count) {
        if (count > rest_.size()) {
            return std::nullopt;
        }
        const ByteView taken = rest_.first(count);
        rest_ = rest_.subspan(count);
        return taken;
    }

private:
    template <class T>
    std::optional<T> integer() {
        if (rest_.size() < sizeof(T)) {
            return std::nullopt;
        }
        std::uint32_t value = 0;
        for (std::size_t i = 0; i < sizeof(T); ++i) {
            value = (value << 8U) | std::to_integer<std::uint32_t>(rest_[i]);
        }
        rest_ = rest_.subspan(sizeof(T));
        return static_cast<T>(value);
    }

    ByteView rest_;
};

/// Appends big-endian fields to a growing buffer that it owns.
class ByteWriter {
public:
    [[nodiscard]] ByteView bytes() const { return buffer_; }

    [[nodiscard]] std::size_t size() const { return buffer_.size(); }

    [[nodiscard]] bool empty() const { return buffer_.empty(); }

    void clear() { buffer_.clear(); }

    [[nodiscard]] std::vector<std::byte> take() { return std::exchange(buffer_, {}); }

    void u8(std::uint8_t value) { buffer_.push_back(std::byte{value}); }

    void u16(std::uint16_t value) {
        u8(static_cast<std::uint8_t>(value >> 8U));
        u8(static_cast<std::uint8_t>(value));
    }

    void u32(std::uint32_t value) {
        u16(static_cast<std::uint16_t>(value >> 16U));
        u16(static_cast<std::uint16_t>(value));
    }

    void i32(std::int32_t value) { u32(static_cast<std::uint32_t>(value)); }

    void raw(ByteView bytes) { buffer_.insert(buffer_.end(), bytes.begin(), bytes.end()); }

    void text(std::string_view text) { raw(as_bytes(text)); }

    /// Writes the text up to its first zero byte, then the terminator: a zero inside would let text
    /// become fields.
    void cstring(std::string_view value) {
        text(value.substr(0, value.find('\0')));
        u8(0);
    }

    /// Overwrites four bytes written earlier: the length field of a message once its body is there.
    void patch_u32(std::size_t offset, std::uint32_t value) {
        for (std::size_t i = 0; i < sizeof(value); ++i) {
            buffer_.at(offset + i) = std::byte{static_cast<std::uint8_t>(value >> (24U - 8U * i))};
        }
    }

private:
    std::vector<std::byte> buffer_;
};

}  // namespace weir
