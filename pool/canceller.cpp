#include "pool/canceller.hpp"

#include "protocol/message_writer.hpp"

#include <utility>

namespace weir::pool {

Canceller::Canceller(net::EventLoop& loop, CancelTarget target, OnDone on_done)
    : loop_{loop}, target_{std::move(target)}, on_done_{std::move(on_done)} {
    const TimePoint due = loop_.now() + kCancelWithin;
    loop_.set_deadline(deadline_, due);
    connector_ = std::make_unique<net::Connector>(
        loop_, target_.endpoint, due, [this](Result<net::Fd> result) {
            on_connected(std::move(result));
        });
}

void Canceller::on_connected(Result<net::Fd> result) {
    loop_.defer_delete(std::move(connector_));
    if (!result) {
        finish(Backend::CancelOutcome::Certain);  // nothing was sent, so nothing can arrive
        return;
    }
    stream_ = std::make_unique<net::Stream>(
        loop_, std::move(*result), static_cast<net::StreamListener&>(*this));
    awaits_tls_answer_ = target_.tls.may_secure(target_.endpoint);
    if (!awaits_tls_answer_) {
        send_request();
        return;
    }
    ByteWriter output;
    protocol::write_ssl_request(output);
    stream_->write(output.bytes());
}

std::size_t Canceller::on_bytes(ByteView bytes) {
    if (std::exchange(awaits_tls_answer_, false)) {
        const TlsAnswer answer = read_tls_answer(bytes);
        if (answer == TlsAnswer::Yes) {
            secure(*stream_, target_.tls, target_.endpoint);
        } else if (answer == TlsAnswer::No && target_.tls.may_go_plain()) {
            send_request();
        } else {
            finish(Backend::CancelOutcome::Certain);
        }
    }
    return bytes.size();
}

void Canceller::send_request() {
    ByteWriter output;
    protocol::write_cancel_request(output, target_.process_id, target_.secret);
    is_sent_ = true;
    stream_->write(output.bytes());
}

void Canceller::on_closed(const Error& reason) {
    finish(!is_sent_ || reason.code() == ErrorCode::Closed ? Backend::CancelOutcome::Certain
                                                           : Backend::CancelOutcome::Uncertain);
}

void Canceller::on_deadline(net::Deadline& /*deadline*/) {
    finish(is_sent_ ? Backend::CancelOutcome::Uncertain : Backend::CancelOutcome::Certain);
}

void Canceller::finish(Backend::CancelOutcome outcome) {
    deadline_.clear();
    if (OnDone done = std::exchange(on_done_, nullptr); done) {
        done(outcome);
    }
}

}  // namespace weir::pool
