#pragma once

#include "base/bytes.hpp"
#include "policies/plan.hpp"
#include "pool/lease_holder.hpp"
#include "protocol/error_reply.hpp"
#include "protocol/message_type.hpp"

#include <cstdint>

namespace weir::proxy {

/// What a client must do before it is heard again.
enum class AfterReply : std::uint8_t {
    Ready,        ///< it has its ReadyForQuery
    SkipsToSync,  ///< extended protocol: everything up to its Sync is dropped
};

/// Answers one request with an error, as PostgreSQL would within that protocol.
///
/// @param request the message that was refused
[[nodiscard]] AfterReply write_refusal(ByteWriter& writer,
                                       protocol::FrontendMessage request,
                                       const protocol::ErrorFields& error);

/// Answers everything a lost backend still owed its client: an error for the first request, and a
/// ReadyForQuery wherever one was due.
[[nodiscard]] AfterReply write_loss(ByteWriter& writer, const pool::BackendLoss& loss);

/// @return what a client is told whose statement must not run
[[nodiscard]] protocol::ErrorFields refusal_by(const policies::Plan& plan);

}  // namespace weir::proxy
