#pragma once

#include <atomic>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

namespace weir::ledger {

/// A queue between two threads that never waits: what does not fit is refused.
///
/// @tparam T movable, default-constructible
/// @thread push(): one thread; pop(): one other; size(): any
template <class T>
class Ring {
public:
    /// @param places at least 1
    explicit Ring(std::size_t places) : slots_(places + 1) {}

    /// @return false when it is full: `item` is as it was
    [[nodiscard]] bool push(T&& item) {
        const std::size_t tail = tail_.load(std::memory_order_relaxed);
        const std::size_t next = after(tail);
        if (next == head_.load(std::memory_order_acquire)) {
            return false;
        }
        slots_[tail] = std::move(item);
        tail_.store(next, std::memory_order_release);
        return true;
    }

    [[nodiscard]] std::optional<T> pop() {
        const std::size_t head = head_.load(std::memory_order_relaxed);
        if (head == tail_.load(std::memory_order_acquire)) {
            return std::nullopt;
        }
        std::optional<T> item{std::exchange(slots_[head], T{})};
        head_.store(after(head), std::memory_order_release);
        return item;
    }

    [[nodiscard]] std::size_t size() const {
        const std::size_t head = head_.load(std::memory_order_acquire);
        const std::size_t tail = tail_.load(std::memory_order_acquire);
        return tail >= head ? tail - head : tail + slots_.size() - head;
    }

private:
    [[nodiscard]] std::size_t after(std::size_t place) const {
        return place + 1 == slots_.size() ? 0 : place + 1;
    }

    static constexpr std::size_t kCacheLine = 64;

    std::vector<T> slots_;
    alignas(kCacheLine) std::atomic<std::size_t> head_{0};
    alignas(kCacheLine) std::atomic<std::size_t> tail_{0};
};

}  // namespace weir::ledger
