#pragma once

#include "pool/shared_database.hpp"
#include "proxy/request_judge.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <unordered_map>

#include "sql/session_facts_memo.hpp"

namespace weir::proxy {

/// What a worker knows of what requests leave in their sessions, by database.
/// @thread its worker's
class SessionKnowledge {
public:
    static constexpr std::size_t kDatabasesMax = 1024;

    /// @return valid until the next call
    [[nodiscard]] RequestJudge& of(const pool::SharedDatabasePtr& database) {
        if (last_ != nullptr && last_->is_of(database)) {
            return *last_;
        }
        if (judges_.size() >= kDatabasesMax && !judges_.contains(database.get())) {
            judges_.clear();  // what they share is kept; the rest is learnt anew
        }
        std::unique_ptr<RequestJudge>& judge = judges_[database.get()];
        if (judge == nullptr) {
            judge = std::make_unique<RequestJudge>(database);
        }
        last_ = judge.get();
        return *last_;
    }

    /// @return what sql::session_facts() does
    [[nodiscard]] sql::SessionFacts facts(std::string_view text) { return facts_.facts(text); }

    /// @return their digest
    [[nodiscard]] std::uint64_t digest(std::string_view text) { return facts_.digest(text); }

private:
    sql::SessionFactsMemo facts_;
    RequestJudge* last_ = nullptr;  // who was asked last is mostly asked next
    std::unordered_map<const pool::SharedDatabase*, std::unique_ptr<RequestJudge>> judges_;
};

}  // namespace weir::proxy
