#include "pool/backend_statements.hpp"

#include "base/check.hpp"

#include <algorithm>

namespace weir::pool {

BackendStatements::BackendStatements(StatementTable& table, const std::vector<Use>& uses) {
    for (auto use = uses.rbegin(); use != uses.rend(); ++use) {
        insert({table.intern(use->statement->definition), use->epoch});
    }
}

bool BackendStatements::use(const StatementPtr& statement, std::uint64_t epoch) {
    const auto place = places_.find(statement.get());
    if (place == places_.end() || place->second->epoch < epoch) {
        return false;
    }
    uses_.splice(uses_.begin(), uses_, place->second);
    return true;
}

void BackendStatements::add(const StatementPtr& statement, std::uint64_t epoch) {
    const Use use{statement, epoch};
    insert(use);
    pending_.push_back({Change::Kind::Added, use});
}

void BackendStatements::remove(const StatementPtr& statement) {
    const auto place = places_.find(statement.get());
    const Use use = place != places_.end() ? *place->second : Use{statement, 0};
    erase(statement.get());
    pending_.push_back({Change::Kind::Removed, use});
}

StatementPtr BackendStatements::surplus(std::size_t max) const {
    return uses_.empty() || uses_.size() < max ? nullptr : uses_.back().statement;
}

void BackendStatements::settle(std::uint32_t count) {
    WEIR_CHECK(count <= pending_.size());
    pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(count));
}

void BackendStatements::drop(std::uint32_t count) {
    WEIR_CHECK(count <= pending_.size());
    for (auto i = static_cast<std::ptrdiff_t>(count); i-- > 0;) {
        const Change change = pending_[static_cast<std::size_t>(i)];
        const auto later = pending_.begin() + static_cast<std::ptrdiff_t>(count);
        const bool is_overtaken = std::any_of(later, pending_.end(), [&](const Change& other) {
            return other.use.statement == change.use.statement;
        });
        if (is_overtaken) {
            continue;  // what is on its way behind it decides
        }
        if (change.kind == Change::Kind::Added) {
            erase(change.use.statement.get());
        } else {
            insert(change.use);
        }
    }
    settle(count);
}

void BackendStatements::forget_all() {
    uses_.clear();
    places_.clear();
    for (const Change& change : pending_) {
        if (change.kind == Change::Kind::Added) {
            insert(change.use);
        } else {
            erase(change.use.statement.get());
        }
    }
}

std::vector<BackendStatements::Use> BackendStatements::all() const {
    WEIR_ASSERT(pending_.empty());
    return {uses_.begin(), uses_.end()};
}

void BackendStatements::insert(const Use& use) {
    erase(use.statement.get());
    uses_.push_front(use);
    places_[use.statement.get()] = uses_.begin();
}

void BackendStatements::erase(const Statement* statement) {
    const auto place = places_.find(statement);
    if (place != places_.end()) {
        uses_.erase(place->second);
        places_.erase(place);
    }
}

}  // namespace weir::pool
