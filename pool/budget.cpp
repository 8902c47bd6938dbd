#include "pool/budget.hpp"

#include "pool/application_counts.hpp"

#include <algorithm>

namespace weir::pool {

BudgetPtr BudgetRegistry::find_or_add(std::string_view name) {
    const std::lock_guard lock{mutex_};
    if (const auto known = budgets_.find(name); known != budgets_.end()) {
        return known->second;
    }
    sweep();
    auto fresh = std::make_shared<Budget>(std::string{name});
    budgets_.emplace(fresh->name(), fresh);
    return fresh;
}

std::shared_ptr<ApplicationCounts> BudgetRegistry::applications_of(const std::string& name) {
    const std::lock_guard lock{mutex_};
    std::erase_if(applications_, [](const auto& entry) { return entry.second.expired(); });
    std::weak_ptr<ApplicationCounts>& known = applications_[name];
    std::shared_ptr<ApplicationCounts> counts = known.lock();
    if (counts == nullptr) {
        counts = std::make_shared<ApplicationCounts>();
        known = counts;
    }
    return counts;
}

unsigned BudgetRegistry::open_below(std::string_view prefix) const {
    const std::lock_guard lock{mutex_};
    unsigned open = 0;
    for (auto at = budgets_.lower_bound(prefix);
         at != budgets_.end() && at->first.starts_with(prefix);
         ++at) {
        open += at->second->open();
    }
    return open;
}

unsigned BudgetRegistry::open_of(std::string_view name) const {
    const std::lock_guard lock{mutex_};
    const auto known = budgets_.find(name);
    return known == budgets_.end() ? 0 : known->second->open();
}

std::size_t BudgetRegistry::size() const {
    const std::lock_guard lock{mutex_};
    return budgets_.size();
}

void BudgetRegistry::sweep() {
    if (budgets_.size() < sweep_at_) {
        return;
    }
    std::erase_if(budgets_, [](const auto& entry) {
        return entry.second.use_count() == 1 && entry.second->open() == 0;
    });
    sweep_at_ = std::max(kSweepAtLeast, budgets_.size() * 2);
}

}  // namespace weir::pool
