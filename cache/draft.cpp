#include "cache/draft.hpp"

#include "cache/local_store.hpp"

#include <algorithm>
#include <utility>

namespace weir::cache {

namespace {

/// A row or two; they come frame by frame.
constexpr std::size_t kFirstBytes = 512;

}  // namespace

Draft::Draft(LocalStore& store) : store_{&store}, arena_{store.arena()} {}

Draft::Draft(Draft&& other) noexcept {
    *this = std::move(other);
}

Draft& Draft::operator=(Draft&& other) noexcept {
    if (this != &other) {
        clear();
        store_ = std::exchange(other.store_, nullptr);
        arena_ = std::exchange(other.arena_, nullptr);
        short_ = std::exchange(other.short_, {});
        blocks_ = std::exchange(other.blocks_, {});
        size_ = std::exchange(other.size_, 0);
        yielded_ = std::exchange(other.yielded_, 0);
    }
    return *this;
}

Draft::~Draft() {
    clear();
}

bool Draft::append(ByteView bytes) {
    std::size_t fits = bytes.size();
    if (store_ != nullptr) {
        fits = std::min(fits, kShortBytes - short_.size());
    }
    if (short_.capacity() == 0) {
        short_.reserve(kFirstBytes);
    }
    const ByteView first = bytes.first(fits);
    short_.insert(short_.end(), first.begin(), first.end());
    size_ += fits;
    return fits == bytes.size() || append_blocks(bytes.subspan(fits));
}

bool Draft::append_blocks(ByteView bytes) {
    while (!bytes.empty()) {
        const std::size_t used = (size_ - short_.size()) % kBlockBytes;
        if (used == 0) {
            void* block = store_->allocate(kBlockBytes);
            if (block == nullptr) {
                return false;
            }
            blocks_.push_back(static_cast<std::byte*>(block));
        }
        const std::size_t fits = std::min(bytes.size(), kBlockBytes - used);
        std::copy_n(bytes.begin(), fits, blocks_.back() + used);
        size_ += fits;
        bytes = bytes.subspan(fits);
    }
    return true;
}

std::vector<ByteView> Draft::pieces() const {
    std::vector<ByteView> pieces{short_};
    std::size_t left = size_ - short_.size();
    for (const std::byte* block : blocks_) {
        const std::size_t used = std::min(left, kBlockBytes);
        pieces.emplace_back(block, used);
        left -= used;
    }
    return pieces;
}

void Draft::yield() {
    const std::size_t counted = blocks_.size() * kBlockBytes - yielded_;
    if (counted > 0) {
        arena_->refund(counted);
        yielded_ += counted;
    }
}

void Draft::clear() {
    if (yielded_ > 0) {
        arena_->charge(std::exchange(yielded_, 0));
    }
    for (std::byte* block : std::exchange(blocks_, {})) {
        arena_->free(block, kBlockBytes);
    }
    short_ = {};
    size_ = 0;
}

}  // namespace weir::cache
