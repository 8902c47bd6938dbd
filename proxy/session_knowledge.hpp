#pragma once

#include "pool/schema_epoch.hpp"
#include "proxy/request_judge.hpp"

#include <cstddef>
#include <memory>
#include <unordered_map>

namespace weir::proxy {

/// What a worker knows of what requests leave in their sessions, by database.
/// @thread its worker's
class SessionKnowledge {
public:
    static constexpr std::size_t kDatabasesMax = 1024;

    /// @return valid until the next call
    [[nodiscard]] RequestJudge& of(const pool::SchemaEpochPtr& epoch) {
        std::unique_ptr<RequestJudge>& judge = judges_[epoch.get()];
        if (judge == nullptr) {
            if (judges_.size() > kDatabasesMax) {
                judges_.clear();  // what they share is kept; the rest is learnt anew
                return of(epoch);
            }
            judge = std::make_unique<RequestJudge>(epoch);
        }
        return *judge;
    }

private:
    std::unordered_map<const pool::SchemaEpoch*, std::unique_ptr<RequestJudge>> judges_;
};

}  // namespace weir::proxy
