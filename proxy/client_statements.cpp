#include "proxy/client_statements.hpp"

#include "base/check.hpp"

#include <algorithm>
#include <utility>

namespace weir::proxy {

const ClientStatement* ClientStatements::find(std::string_view name) const {
    const auto found = by_name_.find(name);
    return found == by_name_.end() ? nullptr : &found->second;
}

void ClientStatements::add(std::string_view name, const ClientStatement& statement) {
    change(name, statement);
}

void ClientStatements::remove(std::string_view name) {
    change(name, {});
}

bool ClientStatements::is_unsettled(std::string_view name) const {
    const auto end = pending_.begin() + static_cast<std::ptrdiff_t>(sealed_);
    return std::any_of(
        pending_.begin(), end, [&](const Change& change) { return change.name == name; });
}

const pool::Statement* ClientStatements::oldest_on_its_way() const {
    if (pending_.empty() || pending_.front().after.is_deallocate) {
        return nullptr;
    }
    return pending_.front().after.statement.get();
}

void ClientStatements::settle(std::uint32_t count) {
    WEIR_CHECK(count <= pending_.size());
    pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(count));
    sealed_ -= std::min<std::size_t>(sealed_, count);
}

void ClientStatements::drop(std::uint32_t count, Why why) {
    WEIR_CHECK(count <= pending_.size());
    if (count > 0 && why == Why::FirstFailed && pending_.front().name.empty()) {
        // A Parse without a name throws the last one away before it looks at the text.
        pending_.front().before = {};
    }
    for (auto i = static_cast<std::ptrdiff_t>(count); i-- > 0;) {
        const Change undone = pending_[static_cast<std::size_t>(i)];
        const auto later =
            std::find_if(pending_.begin() + static_cast<std::ptrdiff_t>(count),
                         pending_.end(),
                         [&](const Change& other) { return other.name == undone.name; });
        if (later != pending_.end()) {
            later->before = undone.before;  // that is what it would fall back to now
        } else {
            set(undone.name, undone.before);
        }
    }
    settle(count);
}

void ClientStatements::reread(std::string_view name, const pool::StatementPtr& statement) {
    by_name_.find(name)->second.statement = statement;
}

const pool::SettingsPtr& ClientStatements::private_settings(pool::SettingsTable& table,
                                                            std::uint64_t id) {
    if (private_settings_ == nullptr) {
        private_settings_ = table.intern({{"", std::to_string(id)}});  // no setting has no name
    }
    return private_settings_;
}

const pool::SettingsPtr& ClientStatements::reading_settings(const pool::SettingsPtr& settings,
                                                            pool::SettingsTable& table) {
    if (settings_ != settings) {
        settings_ = settings;
        reading_settings_ = table.without(settings, pool::kApplicationName);
    }
    return reading_settings_;
}

void ClientStatements::forget_all() {
    std::erase_if(by_name_, [](const auto& entry) { return !entry.first.empty(); });
    bytes_ = 0;
    if (const ClientStatement* unnamed = find(""); unnamed != nullptr) {
        bytes_ = unnamed->statement->definition.size();
    }
    for (Change& pending : pending_) {
        const auto known = by_name_.find(pending.name);
        pending.before = known == by_name_.end() ? ClientStatement{} : known->second;
        set(pending.name, pending.after);
    }
}

void ClientStatements::forget_unnamed() {
    set("", {});
    for (Change& pending : pending_) {
        if (pending.name.empty()) {
            pending.before = {};
            pending.after = {};
        }
    }
}

void ClientStatements::change(std::string_view name, const ClientStatement& after) {
    const ClientStatement* before = find(name);
    pending_.push_back({std::string{name}, before != nullptr ? *before : ClientStatement{}, after});
    set(pending_.back().name, after);
}

void ClientStatements::set(const std::string& name, const ClientStatement& statement) {
    if (const auto known = by_name_.find(name); known != by_name_.end()) {
        bytes_ -= known->second.statement->definition.size();
        by_name_.erase(known);
    }
    if (statement.statement != nullptr) {
        bytes_ += statement.statement->definition.size();
        by_name_.emplace(name, statement);
    }
}

}  // namespace weir::proxy
