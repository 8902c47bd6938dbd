#include "pool/reply_hold.hpp"

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

std::optional<SqlState> refusal_in(const std::optional<ByteView>& error) {
    const auto view = error ? std::optional{protocol::read_error(*error)} : std::nullopt;
    if (!view || !*view || !(*view)->sqlstate) {
        return std::nullopt;
    }
    const SqlState state = *(*view)->sqlstate;
    const bool is_meant =
        std::find(kOfReplicas.begin(), kOfReplicas.end(), state) != kOfReplicas.end();
    return is_meant ? std::optional{state} : std::nullopt;
}

}  // namespace

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

std::optional<SqlState> ReplyHold::take_reason() {
    if (reason_) {
        is_on_ = false;
        kept_.clear();
    }
    return std::exchange(reason_, std::nullopt);
}

}  // namespace weir::pool
