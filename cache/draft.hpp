#pragma once

#include "base/bytes.hpp"
#include "cache/arena.hpp"

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

namespace weir::cache {

class LocalStore;

/// A reply while it comes in: its bytes, in pieces. A long one lies in memory that counts like that
/// of the entries, which make room for it: many that are read at a time would otherwise take as
/// much again.
/// @thread its owner's
class Draft {
public:
    /// Up to so many bytes lie elsewhere and do not count: most replies are short.
    static constexpr std::size_t kShortBytes = std::size_t{16} << 10U;

    /// Without a store nothing counts.
    Draft() = default;
    /// @param store must live as long as anything is appended
    explicit Draft(LocalStore& store);
    Draft(const Draft&) = delete;
    Draft& operator=(const Draft&) = delete;
    Draft(Draft&& other) noexcept;
    Draft& operator=(Draft&& other) noexcept;
    ~Draft();

    /// @return false: there is no room for it
    [[nodiscard]] bool append(ByteView bytes);

    [[nodiscard]] std::size_t size() const { return size_; }

    /// @return valid until the draft is changed
    [[nodiscard]] std::vector<ByteView> pieces() const;

    /// An entry is made of it at once, and takes its place: until it is cleared its memory does not
    /// count any more.
    void yield();

    /// Forgets all, and its memory.
    void clear();

private:
    static constexpr std::size_t kBlockBytes = Arena::kUnitBytes;

    [[nodiscard]] bool append_blocks(ByteView bytes);

    LocalStore* store_ = nullptr;
    std::shared_ptr<Arena> arena_;  // the store's; its blocks may outlive it
    std::vector<std::byte> short_;
    std::vector<std::byte*> blocks_;  // behind that; all but the last are full
    std::size_t size_ = 0;
    std::size_t yielded_ = 0;  // bytes of the arena
};

}  // namespace weir::cache
