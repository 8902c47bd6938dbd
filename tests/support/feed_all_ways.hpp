#pragma once

#include "base/bytes.hpp"

#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

/// The ways bytes arrive from a network, for tests of decoders. Every piece handed out is a heap
/// block of exactly its size, so that AddressSanitizer sees a read past its end.
namespace weir::test {

using Bytes = std::vector<std::byte>;

[[nodiscard]] inline Bytes to_bytes(std::string_view text) {
    const ByteView view = as_bytes(text);
    return {view.begin(), view.end()};
}

/// Calls feed(chunks) with the bytes whole, byte by byte, and cut in two at every place.
///
/// @param feed takes a const std::vector<Bytes>&: the chunks in the order they arrive, none empty
template <class Feed>
void feed_all_ways(ByteView bytes, Feed&& feed) {
    const auto piece = [bytes](std::size_t from, std::size_t to) {
        return Bytes(bytes.begin() + static_cast<std::ptrdiff_t>(from),
                     bytes.begin() + static_cast<std::ptrdiff_t>(to));
    };
    feed(std::vector<Bytes>{piece(0, bytes.size())});
    std::vector<Bytes> single;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        single.push_back(piece(i, i + 1));
    }
    feed(std::as_const(single));
    for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
        feed(std::vector<Bytes>{piece(0, cut), piece(cut, bytes.size())});
    }
}

/// Calls visit(prefix) for every proper prefix of the bytes, the empty one included.
template <class Visit>
void for_each_truncation(ByteView bytes, Visit&& visit) {
    for (std::size_t length = 0; length < bytes.size(); ++length) {
        const Bytes prefix(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(length));
        visit(ByteView{prefix});
    }
}

}  // namespace weir::test
