#pragma once

#include "base/bytes.hpp"

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <span>

namespace weir::net {

/// What leaves in one write: views of bytes that stay valid until it is written, in order,
/// adjoining ones joined.
///
/// @cost no allocation; when full, the writer must write and clear() first
class WriteBatch {  // NOLINT(cppcoreguidelines-pro-type-member-init): segments_ is read up to
                    // count_
public:
    static constexpr std::size_t kSegmentsMax = 32;

    void add(ByteView bytes) {
        if (bytes.empty()) {
            return;
        }
        total_ += bytes.size();
        if (count_ > 0) {
            iovec& last = segments_[count_ - 1];
            if (static_cast<const std::byte*>(last.iov_base) + last.iov_len == bytes.data()) {
                last.iov_len += bytes.size();
                return;
            }
        }
        segments_[count_] = {const_cast<std::byte*>(bytes.data()), bytes.size()};
        ++count_;
    }

    /// @return whether the next add() may not find room
    [[nodiscard]] bool is_full() const { return count_ == kSegmentsMax; }

    [[nodiscard]] bool empty() const { return count_ == 0; }

    [[nodiscard]] std::size_t total() const { return total_; }

    [[nodiscard]] std::span<const iovec> segments() const { return {segments_.data(), count_}; }

    void clear() {
        count_ = 0;
        total_ = 0;
    }

private:
    std::array<iovec, kSegmentsMax> segments_;
    std::size_t count_ = 0;
    std::size_t total_ = 0;
};

}  // namespace weir::net
