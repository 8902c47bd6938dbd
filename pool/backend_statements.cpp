#include "pool/backend_statements.hpp"

#include "base/check.hpp"

#include <algorithm>

namespace weir::pool {

BackendStatements::BackendStatements(StatementTable& table,
                                     SettingsTable& settings,
                                     const std::vector<StatementPtr>& uses) {
    std::for_each(uses.rbegin(), uses.rend(), [&](const StatementPtr& use) {
        const StatementPtr statement =
            table.intern(use->definition, settings.intern(*use->settings), use->epoch);
        set(statement.get(), statement);
    });
}

bool BackendStatements::use(const StatementPtr& statement) {
    const auto place = places_.find(statement.get());
    if (place == places_.end()) {
        return false;
    }
    uses_.splice(uses_.begin(), uses_, place->second);
    return true;
}

void BackendStatements::add(const StatementPtr& statement) {
    change(statement, statement);
}

void BackendStatements::remove(const StatementPtr& statement) {
    change(statement, nullptr);
}

StatementPtr BackendStatements::surplus(std::size_t max) const {
    return uses_.empty() || uses_.size() < max ? nullptr : uses_.back();
}

bool BackendStatements::is_unsettled(ByteView definition) const {
    const auto end = pending_.begin() + static_cast<std::ptrdiff_t>(sealed_);
    return std::any_of(pending_.begin(), end, [&](const Change& change) {
        return as_text(change.statement->definition) == as_text(definition);
    });
}

void BackendStatements::settle(std::uint32_t count) {
    WEIR_CHECK(count <= pending_.size());
    pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(count));
    sealed_ -= std::min<std::size_t>(sealed_, count);
}

void BackendStatements::drop(std::uint32_t count) {
    WEIR_CHECK(count <= pending_.size());
    for (auto i = static_cast<std::ptrdiff_t>(count); i-- > 0;) {
        const Change undone = pending_[static_cast<std::size_t>(i)];
        const auto later =
            std::find_if(pending_.begin() + static_cast<std::ptrdiff_t>(count),
                         pending_.end(),
                         [&](const Change& other) { return other.statement == undone.statement; });
        if (later != pending_.end()) {
            later->before = undone.before;  // that is what it would fall back to now
        } else {
            set(undone.statement.get(), undone.before);
        }
    }
    settle(count);
}

void BackendStatements::forget_all() {
    uses_.clear();
    places_.clear();
    for (Change& change : pending_) {
        const auto place = places_.find(change.statement.get());
        change.before = place == places_.end() ? nullptr : *place->second;
        set(change.statement.get(), change.after);
    }
}

std::vector<StatementPtr> BackendStatements::all() const {
    WEIR_ASSERT(pending_.empty());
    return {uses_.begin(), uses_.end()};
}

void BackendStatements::change(const StatementPtr& statement, const StatementPtr& after) {
    const auto place = places_.find(statement.get());
    pending_.push_back({statement, place == places_.end() ? nullptr : *place->second, after});
    set(statement.get(), after);
}

void BackendStatements::set(const Statement* statement, const StatementPtr& use) {
    if (const auto place = places_.find(statement); place != places_.end()) {
        uses_.erase(place->second);
        places_.erase(place);
    }
    if (use != nullptr) {
        uses_.push_front(use);
        places_[statement] = uses_.begin();
    }
}

}  // namespace weir::pool
