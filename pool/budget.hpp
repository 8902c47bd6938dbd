#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

namespace weir::pool {

inline constexpr unsigned kWorkersMax = 64;

/// One limit of the process, counted by all threads together, and which workers wait for it.
///
/// Taking a place and announcing that one waits use sequentially consistent order: whoever gives a
/// place back sees the waiter, or the waiter's second look sees the place.
class Budget {
public:
    explicit Budget(std::string name) : name_{std::move(name)} {}

    /// @param max how many may be open; 0 = no limit
    /// @return whether a place was free and is now taken
    [[nodiscard]] bool try_take(unsigned max) {
        unsigned open = open_.load();
        do {
            if (max != 0 && open >= max) {
                return false;
            }
        } while (!open_.compare_exchange_weak(open, open + 1));
        return true;
    }

    void give_back() { open_.fetch_sub(1); }

    [[nodiscard]] unsigned open() const { return open_.load(); }

    /// Announces the rank of this worker's first waiter: since when it waits (steady clock, ns), a
    /// priority counted in (WaitingLine::rank_of()); 0 = nobody waits there.
    void announce_waiter(unsigned worker, std::int64_t since_ns) {
        waiting_since_[worker].store(since_ns);
    }

    [[nodiscard]] std::int64_t waiting_since(unsigned worker) const {
        return waiting_since_[worker].load();
    }

    [[nodiscard]] const std::string& name() const { return name_; }

private:
    std::string name_;
    std::atomic<unsigned> open_{0};
    std::array<std::atomic<std::int64_t>, kWorkersMax> waiting_since_{};
};

using BudgetPtr = std::shared_ptr<Budget>;

/// A place that was taken and goes back by itself, unless who holds it release()s it to a pool that
/// counts it. A budget stays while a place of it is taken.
struct GivesBack {
    void operator()(Budget* budget) const { budget->give_back(); }
};

using HeldPlace = std::unique_ptr<Budget, GivesBack>;

class ApplicationCounts;

/// All budgets of the process, found by name. One that nobody holds and that counts nothing is
/// forgotten: clients can make up names where every database is let in.
///
/// @thread any; takes a lock, at logins and where a pool is made
class BudgetRegistry {
public:
    [[nodiscard]] BudgetPtr find_or_add(std::string_view name);
    /// @return what is counted by application in the pool whose budget has this name
    [[nodiscard]] std::shared_ptr<ApplicationCounts> applications_of(const std::string& name);

    /// @return how many places are taken in the budgets whose names begin so
    [[nodiscard]] unsigned open_below(std::string_view prefix) const;
    /// @return the same of the one of that name; 0 when there is none
    [[nodiscard]] unsigned open_of(std::string_view name) const;

    /// @return how many are kept
    [[nodiscard]] std::size_t size() const;

private:
    void sweep();

    static constexpr std::size_t kSweepAtLeast = 64;
    mutable std::mutex mutex_;
    std::map<std::string, BudgetPtr, std::less<>> budgets_;
    std::map<std::string, std::weak_ptr<ApplicationCounts>> applications_;
    std::size_t sweep_at_ = kSweepAtLeast;
};

}  // namespace weir::pool
