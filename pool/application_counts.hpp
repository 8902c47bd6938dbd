#pragma once

#include "pool/budget.hpp"

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

namespace weir::pool {

/// How many backends of one pool the clients of each application hold, counted by all workers
/// together, and which workers have clients that wait because of it.
///
/// @thread any; takes a lock where a worker has not seen an application for a while
class ApplicationCounts {
public:
    /// Applications that are counted at a time: clients can make up names. Those above share one
    /// count.
    static constexpr std::size_t kNamesMax = 256;

    [[nodiscard]] BudgetPtr find_or_add(std::string_view application);

    /// @return the count that those above kNamesMax share
    [[nodiscard]] const BudgetPtr& rest() const { return rest_; }

    /// @return how many are counted by name
    [[nodiscard]] std::size_t size() const;

private:
    mutable std::mutex mutex_;
    std::map<std::string, BudgetPtr, std::less<>> counts_;
    const BudgetPtr rest_ = std::make_shared<Budget>("(other)");
};

}  // namespace weir::pool
