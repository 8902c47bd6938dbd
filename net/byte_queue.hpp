#pragma once

#include "base/bytes.hpp"

#include <cstddef>
#include <utility>
#include <vector>

namespace weir::net {

/// Bytes waiting to be sent or to be understood; owns memory only while it holds some.
class ByteQueue {
public:
    ByteQueue() = default;
    ByteQueue(const ByteQueue&) = delete;
    ByteQueue& operator=(const ByteQueue&) = delete;

    ByteQueue(ByteQueue&& other) noexcept
        : bytes_{std::exchange(other.bytes_, {})}, head_{std::exchange(other.head_, 0)} {}

    ByteQueue& operator=(ByteQueue&& other) noexcept {
        bytes_ = std::exchange(other.bytes_, {});
        head_ = std::exchange(other.head_, 0);
        return *this;
    }

    ~ByteQueue() = default;

    [[nodiscard]] bool empty() const { return head_ == bytes_.size(); }

    [[nodiscard]] std::size_t size() const { return bytes_.size() - head_; }

    [[nodiscard]] ByteView view() const { return ByteView{bytes_}.subspan(head_); }

    void append(ByteView bytes) {
        if (head_ > 0 && head_ >= bytes_.size() / 2) {
            bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(head_));
            head_ = 0;
        }
        bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    }

    void consume(std::size_t count) {
        head_ += count;
        if (empty()) {
            clear();
        }
    }

    void clear() {
        head_ = 0;
        std::vector<std::byte>{}.swap(bytes_);
    }

private:
    std::vector<std::byte> bytes_;
    std::size_t head_ = 0;
};

}  // namespace weir::net
