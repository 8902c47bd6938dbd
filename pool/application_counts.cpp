#include "pool/application_counts.hpp"

namespace weir::pool {

BudgetPtr ApplicationCounts::find_or_add(std::string_view application) {
    const std::lock_guard lock{mutex_};
    if (const auto known = counts_.find(application); known != counts_.end()) {
        return known->second;
    }
    if (counts_.size() >= kNamesMax) {
        std::erase_if(counts_, [](const auto& entry) {
            return entry.second.use_count() == 1 && entry.second->open() == 0;
        });
    }
    if (counts_.size() >= kNamesMax) {
        return rest_;
    }
    auto fresh = std::make_shared<Budget>(std::string{application});
    counts_.emplace(fresh->name(), fresh);
    return fresh;
}

std::size_t ApplicationCounts::size() const {
    const std::lock_guard lock{mutex_};
    return counts_.size();
}

}  // namespace weir::pool
