#include "proxy/local_reply.hpp"

#include "protocol/message_writer.hpp"

namespace weir::proxy {

using protocol::FrontendMessage;

namespace {

bool is_ended_by_itself(FrontendMessage request) {
    return request == FrontendMessage::Query || request == FrontendMessage::FunctionCall ||
           request == FrontendMessage::Sync;
}

}  // namespace

AfterReply write_refusal(ByteWriter& writer,
                         FrontendMessage request,
                         const protocol::ErrorFields& error) {
    protocol::write_error(writer, error);
    if (!is_ended_by_itself(request)) {
        return AfterReply::SkipsToSync;
    }
    protocol::write_ready_for_query(writer, protocol::TransactionStatus::Idle);
    return AfterReply::Ready;
}

AfterReply write_loss(ByteWriter& writer, const pool::BackendLoss& loss) {
    bool is_skipping = loss.owed.is_skipping();  // then its error has been told already
    for (std::size_t i = 0; i < loss.owed.size(); ++i) {
        const FrontendMessage request = loss.owed.at(i).request;
        if (loss.owed.at(i).action == protocol::ReplyAction::Swallow) {
            continue;  // asked in our own name
        }
        if (request == FrontendMessage::CopyDone || request == FrontendMessage::CopyFail) {
            continue;
        }
        if (!is_skipping) {
            protocol::write_error(
                writer, loss.reason);  // also for a Sync alone: its commit may not have happened
        }
        const bool ends =
            request == FrontendMessage::Sync || (!is_skipping && is_ended_by_itself(request));
        if (ends) {
            protocol::write_ready_for_query(writer, protocol::TransactionStatus::Idle);
        }
        is_skipping = !ends;
    }
    if (loss.owed.is_sync_owed() && !is_skipping) {
        protocol::write_error(
            writer, loss.reason);  // all was answered, but the transaction they were in is gone
        is_skipping = true;
    }
    return is_skipping ? AfterReply::SkipsToSync : AfterReply::Ready;
}

protocol::ErrorFields refusal_by(const policies::Plan& plan) {
    protocol::ErrorFields why;
    why.severity = protocol::Severity::Error;
    if (plan.refusal == policies::Refusal::ReadOnly) {
        why.sqlstate = sqlstate::kReadOnlySqlTransaction;
        why.message = plan.deny;
        why.detail = "This user may only read (read_only in weir's policy).";
    } else {
        why.sqlstate = sqlstate::kInsufficientPrivilege;
        why.message = plan.deny;
        why.detail = "A rule in weir's policy refuses this statement.";
    }
    return why;
}

}  // namespace weir::proxy
