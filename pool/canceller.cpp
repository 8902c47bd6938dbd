#include "pool/canceller.hpp"

#include "protocol/message_writer.hpp"

#include <utility>

namespace weir::pool {

Canceller::Canceller(net::EventLoop& loop,
                     const Endpoint& endpoint,
                     std::uint32_t process_id,
                     std::vector<std::byte> secret,
                     OnDone on_done)
    : loop_{loop},
      process_id_{process_id},
      secret_{std::move(secret)},
      on_done_{std::move(on_done)} {
    const TimePoint due = loop_.now() + kCancelWithin;
    loop_.set_deadline(deadline_, due);
    connector_ = std::make_unique<net::Connector>(
        loop_, endpoint, due, [this](Result<net::Fd> result) { on_connected(std::move(result)); });
}

void Canceller::on_connected(Result<net::Fd> result) {
    loop_.defer_delete(std::move(connector_));
    if (!result) {
        finish(Backend::CancelOutcome::Certain);  // nothing was sent, so nothing can arrive
        return;
    }
    stream_ = std::make_unique<net::Stream>(
        loop_, std::move(*result), static_cast<net::StreamListener&>(*this));
    ByteWriter output;
    protocol::write_cancel_request(output, process_id_, secret_);
    stream_->write(output.bytes());
}

void Canceller::on_closed(const Error& reason) {
    finish(reason.code() == ErrorCode::Closed ? Backend::CancelOutcome::Certain
                                              : Backend::CancelOutcome::Uncertain);
}

void Canceller::on_deadline(net::Deadline& /*deadline*/) {
    finish(stream_ == nullptr ? Backend::CancelOutcome::Certain
                              : Backend::CancelOutcome::Uncertain);
}

void Canceller::finish(Backend::CancelOutcome outcome) {
    deadline_.clear();
    if (OnDone done = std::exchange(on_done_, nullptr); done) {
        done(outcome);
    }
}

}  // namespace weir::pool
