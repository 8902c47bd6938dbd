#include "pool/budget.hpp"

#include <functional>
#include <memory>

namespace weir::pool {

BudgetRegistry::~BudgetRegistry() {
    for (auto& bucket : buckets_) {
        Budget* budget = bucket.load();
        while (budget != nullptr) {
            const std::unique_ptr<Budget> doomed{budget};
            budget = budget->next_;
        }
    }
}

Budget& BudgetRegistry::find_or_add(std::string_view name) {
    std::atomic<Budget*>& bucket = buckets_[std::hash<std::string_view>{}(name) % kBuckets];
    std::unique_ptr<Budget> fresh;
    Budget* head = bucket.load();
    for (;;) {
        for (Budget* known = head; known != nullptr; known = known->next_) {
            if (known->name_ == name) {
                return *known;
            }
        }
        if (fresh == nullptr) {
            fresh = std::make_unique<Budget>(std::string{name});
        }
        fresh->next_ = head;
        if (bucket.compare_exchange_strong(head, fresh.get())) {
            return *fresh.release();
        }
        // Another thread was first: what it added is now in front, and may be ours.
    }
}

}  // namespace weir::pool
