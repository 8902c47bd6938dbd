#pragma once

#include "pool/application_counts.hpp"
#include "pool/backend.hpp"
#include "pool/waiting_line.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace weir::pool {

/// An application, as one worker's share of a pool knows it.
struct Application {
    BudgetPtr count;             ///< of the backends its clients hold
    std::int64_t announced = 0;  ///< the rank of its first waiter here that may not be served
    std::int64_t first = 0;      ///< scratch of Bulkheads
    std::size_t waiting = 0;     ///< scratch of Bulkheads
};

/// pool.application_max, on one worker: which application holds which of its backends, and who has
/// to wait because of that.
///
/// A backend counts from when it is lent until it is at rest and clean, or gone: what a client has
/// left behind keeps it from others too. Lives on its pool's loop; destroying it gives back all.
class Bulkheads {
public:
    Bulkheads(std::shared_ptr<ApplicationCounts> counts, unsigned worker)
        : counts_{std::move(counts)}, rest_{counts_->rest()}, worker_{worker} {}

    Bulkheads(const Bulkheads&) = delete;
    Bulkheads& operator=(const Bulkheads&) = delete;
    Bulkheads(Bulkheads&&) = delete;
    Bulkheads& operator=(Bulkheads&&) = delete;
    ~Bulkheads();

    /// @param most backends an application may hold
    void set_max(unsigned most) { max_ = most; }

    /// @return stays until the next sweep() at which nobody waits or holds in its name
    [[nodiscard]] Application& find_or_add(std::string_view name);

    [[nodiscard]] bool has_room(const Application& application) const {
        return has_room(*application.count);
    }

    [[nodiscard]] bool has_room(const Budget& count) const {
        return count.open() < max_ || &count == reserved_.get();
    }

    /// The place that the last backend given back has left free is the next of its application's
    /// clients' that is served, wherever it waits: no other is to be faster.
    /// @return the application; nullptr: there is none
    [[nodiscard]] BudgetPtr reserve_freed();

    /// The same with a place that another worker has taken.
    void reserve(BudgetPtr count);

    /// @return whether the reserved place is this application's
    [[nodiscard]] bool is_reserved(const BudgetPtr& count) const {
        return count != nullptr && count == reserved_;
    }

    /// The reserved place goes elsewhere.
    [[nodiscard]] HeldPlace take_reserved() {
        return HeldPlace{std::exchange(reserved_, nullptr).get()};
    }

    /// Nobody of this application has made use of it.
    void give_reserved_back(const BudgetPtr& count);

    /// @return how many more it may hold
    [[nodiscard]] std::size_t room_of(const Application& application) const {
        const unsigned open = application.count->open();
        return open < max_ ? max_ - open : 0;
    }

    /// @return whether the backend is the application's now
    [[nodiscard]] bool try_take(Application& application, const Backend& backend);
    /// Counts one that was lent before there was a limit.
    void take(Application& application, const Backend& backend);
    /// The backend is free again, or gone: reserve_freed() or free() decides on its place, which is
    /// taken until then.
    void give_back(const Backend& backend);

    /// @return the application whose place is free now; nullptr: none
    BudgetPtr free();

    /// @return how many of those who wait may be served as far as their applications go
    [[nodiscard]] std::size_t eligible_count(WaitingLine& line) const;

    /// Tells the other workers for which applications clients wait here in vain.
    /// @return whether one of these may be served after all, because a backend has just been given
    /// back elsewhere
    [[nodiscard]] bool announce(WaitingLine& line, Duration step);

    /// Forgets applications that are not in use.
    void sweep(WaitingLine& line);

private:
    void withdraw(Application& application) const;

    std::shared_ptr<ApplicationCounts> counts_;
    Application rest_;  // of those that have no count of their own
    unsigned worker_;
    unsigned max_ = 0;
    bool is_full_ = false;  // since the last sweep: unknown names are of the rest
    std::map<std::string, Application, std::less<>> applications_;
    std::unordered_map<const Backend*, BudgetPtr> held_;
    BudgetPtr freed_;     // its place is still taken
    BudgetPtr reserved_;  // the same
};

}  // namespace weir::pool
