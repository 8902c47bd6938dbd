#pragma once

#include "net/write_batch.hpp"
#include "protocol/frame.hpp"
#include "protocol/message_type.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace weir::pool {

/// What a session sends to its backend in one write: parts of the client's own messages, and
/// messages of ours put between them without copying.
///
/// @cost no allocation; send it and clear() it when has_room() says no
class RequestBatch {  // NOLINT(cppcoreguidelines-pro-type-member-init): heads_ is read up to used_
public:
    /// The most parts that one message of the client can become: what makes the backend forget
    /// sequences, a Close, a Parse and a rewritten message.
    static constexpr std::size_t kPartsPerMessage = 12;

    /// @param bytes valid until the batch is sent
    void add(ByteView bytes) { parts_.add(bytes); }

    /// Begins a message whose body, `body_bytes` long, is added next.
    void add_header(protocol::FrontendMessage type, std::size_t body_bytes) {
        add_head(type, body_bytes, {});
    }

    /// As add_header(), with the first byte of the body.
    void add_header(protocol::FrontendMessage type, std::size_t body_bytes, char first) {
        add_head(type, body_bytes, {&first, 1});
    }

    [[nodiscard]] bool has_room() const {
        return parts_.segments().size() + kPartsPerMessage <= net::WriteBatch::kSegmentsMax;
    }

    [[nodiscard]] bool is_full() const { return parts_.is_full(); }

    [[nodiscard]] bool empty() const { return parts_.empty(); }

    [[nodiscard]] const net::WriteBatch& parts() const { return parts_; }

    void clear() {
        parts_.clear();
        used_ = 0;
    }

private:
    static constexpr std::size_t kHeadBytes = protocol::kHeaderBytes + 1;

    void add_head(protocol::FrontendMessage type, std::size_t body_bytes, std::string_view first) {
        const std::size_t start = used_;
        const auto length = static_cast<std::uint32_t>(body_bytes + sizeof(std::uint32_t));
        put(static_cast<std::uint8_t>(type));
        for (const unsigned shift : {24U, 16U, 8U, 0U}) {
            put(static_cast<std::uint8_t>(length >> shift));
        }
        for (const char c : first) {
            put(static_cast<std::uint8_t>(c));
        }
        parts_.add(ByteView{heads_}.subspan(start, used_ - start));
    }

    void put(std::uint8_t value) { heads_[used_++] = std::byte{value}; }

    net::WriteBatch parts_;
    std::array<std::byte, net::WriteBatch::kSegmentsMax * kHeadBytes> heads_;
    std::size_t used_ = 0;
};

}  // namespace weir::pool
