#include "pool/reply_hold.hpp"

#include "base/wildcard.hpp"
#include "protocol/backend_views.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace weir::pool {

using protocol::BackendMessage;

namespace {

/// What a replica refuses and the primary would not: it writes after all; it needs what a replica
/// does not have (unlogged and temporary tables, serializable transactions); what the replica
/// replays is in its way.
constexpr std::array kOfReplicas = {sqlstate::kReadOnlySqlTransaction,
                                    sqlstate::kFeatureNotSupported,
                                    sqlstate::kObjectNotInPrerequisiteState,
                                    sqlstate::kSerializationFailure,
                                    sqlstate::kDeadlockDetected};

/// The transaction has been rolled back for no fault of its own.
constexpr std::array kOfTransactions = {sqlstate::kSerializationFailure,
                                        sqlstate::kDeadlockDetected};

template <std::size_t n>
bool is_one_of(SqlState state, const std::array<SqlState, n>& states) {
    return std::find(states.begin(), states.end(), state) != states.end();
}

/// @param pattern found anywhere; * stands for any characters
bool contains(std::string_view message, std::string_view pattern) {
    return matches_wildcard(message, "*" + std::string{pattern} + "*");
}

}  // namespace

std::optional<TakenBack> ReplyHold::refusal_in(const std::optional<ByteView>& error) const {
    const auto view = error ? std::optional{protocol::read_error(*error)} : std::nullopt;
    if (!view || !*view || !(*view)->sqlstate) {
        return std::nullopt;
    }
    const SqlState state = *(*view)->sqlstate;
    if (wish_.heals_partitions) {
        if (auto partition = read_missing_partition(**view); partition) {
            return TakenBack{state, std::move(partition)};
        }
    }
    if (wish_.also == nullptr) {
        return std::nullopt;
    }
    const bool is_built_in =
        wish_.at == At::Replica ? is_one_of(state, kOfReplicas) : is_one_of(state, kOfTransactions);
    const bool is_meant =
        is_built_in ||
        std::any_of(wish_.also->begin(), wish_.also->end(), [&](const std::string& entry) {
            return entry == state.text() || contains((*view)->message, entry);
        });
    return is_meant ? std::optional{TakenBack{state, std::nullopt}} : std::nullopt;
}

ReplyHold::Verdict ReplyHold::look_at(BackendMessage type, std::optional<ByteView> body) {
    if (reason_) {
        return Verdict::TakeBack;  // what follows is of no interest either
    }
    switch (type) {
        case BackendMessage::ParseComplete:
        case BackendMessage::BindComplete:
        case BackendMessage::CloseComplete:
        case BackendMessage::NoData:
        case BackendMessage::NoticeResponse:
        case BackendMessage::NotificationResponse:
        case BackendMessage::ParameterDescription:
        case BackendMessage::ParameterStatus:
        case BackendMessage::RowDescription: return Verdict::Keep;
        case BackendMessage::CommandComplete:
            return wish_.at == At::PrimaryToSync ? Verdict::Keep : Verdict::Release;
        case BackendMessage::ErrorResponse:
            reason_ = refusal_in(body);
            return reason_ ? Verdict::TakeBack : Verdict::Release;
        default: return Verdict::Release;
    }
}

void ReplyHold::keep(const net::WriteBatch& batch) {
    for (const iovec& segment : batch.segments()) {
        const auto* bytes = static_cast<const std::byte*>(segment.iov_base);
        kept_.insert(kept_.end(), bytes, bytes + segment.iov_len);
    }
}

std::vector<std::byte> ReplyHold::release() {
    is_on_ = false;
    return std::exchange(kept_, {});
}

std::optional<TakenBack> ReplyHold::take_reason() {
    if (reason_) {
        is_on_ = false;
        kept_.clear();
    }
    return std::exchange(reason_, std::nullopt);
}

}  // namespace weir::pool
