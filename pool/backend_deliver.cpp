// The part of Backend that hands replies to its holder, or keeps them back while the request may
// yet be run elsewhere.

#include "pool/backend.hpp"
#include "protocol/backend_views.hpp"
#include "protocol/frame.hpp"

namespace weir::pool {

using protocol::BackendMessage;

void Backend::pass_on(ByteView part, net::WriteBatch& batch) {
    if (is_forwarding_) {
        batch.add(part);
        if (batch.is_full()) {
            deliver(batch);
        }
    } else if (state_ == BackendState::Cleaning) {
        discarded_ += part.size();
    }
}

void Backend::deliver(net::WriteBatch& batch) {
    if (!batch.empty() && holder_ != nullptr) {
        if (reply_hold_.is_on() && reply_hold_.has_room_for(batch)) {
            reply_hold_.keep(batch);
        } else {
            let_go();
            holder_->on_reply(batch);
        }
    }
    batch.clear();
}

/// What is special about a message that has begun, for the holder.
void Backend::act_on(Treatment treatment, ByteView message, net::WriteBatch& batch) {
    if (is_forwarding_ && reply_hold_.is_on()) {
        is_forwarding_ = !is_taken_back(message, batch);
    }
    if (is_forwarding_ && message[0] == static_cast<std::byte>(BackendMessage::ErrorResponse)) {
        tell_error(message);
    }
    if (treatment == Treatment::Reword) {
        deliver(batch);
        let_go();
        tell_timeout();
    } else if (treatment == Treatment::Settle) {
        deliver(batch);
        let_go();
        tell_cut(message);
    } else if (treatment == Treatment::Warn) {
        deliver(batch);
        let_go();
        tell_too_large();
    } else if (treatment == Treatment::Replace) {
        deliver(batch);
        let_go();
        tell_refusal(message.subspan(protocol::kHeaderBytes, body_left_ - protocol::kHeaderBytes));
    }
}

/// @return whether the holder has been told that its request is to be run once more
bool Backend::tell_taken_back() {
    if (holder_ == nullptr || body_left_ > 0) {
        return false;
    }
    const auto reason = reply_hold_.take_reason();
    if (reason) {
        ready_seen_ = false;
        ended_.clear();  // it will be told of once it has run
        holder_->on_taken_back(*reason);
    }
    return reason.has_value();
}

/// A message for the client has begun.
/// @param message from its header on, whole where it is an error that is looked into
/// @return whether the client is not to see it
bool Backend::is_taken_back(ByteView message, net::WriteBatch& batch) {
    const auto header = protocol::read_header(message).header;
    const bool is_whole = message.size() >= header.frame_bytes();
    switch (reply_hold_.look_at(
        static_cast<BackendMessage>(header.type),
        is_whole ? std::optional{protocol::body_of(message, header)} : std::nullopt)) {
        case ReplyHold::Verdict::Keep: return false;
        case ReplyHold::Verdict::Release: let_go(); return false;
        case ReplyHold::Verdict::TakeBack: batch.clear(); return true;
    }
    return false;
}

/// An error is about to be passed on.
void Backend::tell_error(ByteView message) {
    const auto header = protocol::read_header(message).header;
    if (message.size() < header.frame_bytes()) {
        return;  // longer than any that says something
    }
    const auto view = protocol::read_error(protocol::body_of(message, header));
    if (view && view->sqlstate) {
        holder_->on_error(*view);
    }
}

/// The client gets what was kept for it, and from now on what comes.
void Backend::let_go() {
    if (!reply_hold_.is_on() || reply_hold_.is_taken_back()) {
        return;
    }
    const std::vector<std::byte> kept = reply_hold_.release();
    if (!kept.empty() && holder_ != nullptr) {
        net::WriteBatch batch;
        batch.add(kept);
        holder_->on_reply(batch);
    }
}

}  // namespace weir::pool
