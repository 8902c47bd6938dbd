#include "proxy/reply_recorder.hpp"

#include "protocol/backend_views.hpp"

#include <algorithm>
#include <utility>

namespace weir::proxy {

using protocol::BackendMessage;

void ReplyRecorder::begin(std::size_t bytes_max,
                          protocol::TransactionStatus behind,
                          cache::Draft draft) {
    end();
    behind_ = behind;
    reply_ = std::move(draft);
    bytes_max_ = bytes_max;
    state_ = State::Recording;
}

void ReplyRecorder::end() {
    if (state_ == State::Off) {
        return;
    }
    state_ = State::Off;
    reply_ = {};
    rows_ = 0;
    ends_ = 0;
    is_ended_ = false;
    header_bytes_ = 0;
    body_left_ = 0;
    is_ready_ = false;
}

void ReplyRecorder::feed(ByteView bytes) {
    while (state_ == State::Recording && !bytes.empty()) {
        const std::size_t wanted =
            header_bytes_ < header_.size() ? header_.size() - header_bytes_ : body_left_;
        const std::size_t size = std::min(wanted, bytes.size());
        const ByteView part = bytes.first(size);
        bytes = bytes.subspan(size);
        if (header_bytes_ == header_.size()) {
            take_body(part);
            continue;
        }
        std::copy(
            part.begin(), part.end(), header_.begin() + static_cast<std::ptrdiff_t>(header_bytes_));
        header_bytes_ += size;
        if (header_bytes_ == header_.size()) {
            begin_frame();
        }
    }
}

void ReplyRecorder::begin_frame() {
    const auto [status, header] = protocol::read_header(header_);
    if (status != protocol::FrameStatus::Complete) {
        state_ = State::Unfit;
        return;
    }
    switch (static_cast<BackendMessage>(header.type)) {
        case BackendMessage::ParseComplete:
        case BackendMessage::BindComplete:
        case BackendMessage::ParameterDescription:
        case BackendMessage::RowDescription: break;
        case BackendMessage::CommandComplete: ++ends_; break;
        case BackendMessage::DataRow: ++rows_; break;
        case BackendMessage::ReadyForQuery: is_ready_ = true; break;
        case BackendMessage::ErrorResponse: state_ = State::Failed; return;
        default: state_ = State::Unfit; return;
    }
    body_left_ = header.body_bytes();
    if (!is_ready_) {
        is_ended_ = static_cast<BackendMessage>(header.type) == BackendMessage::CommandComplete;
        if (reply_.size() + header.frame_bytes() > bytes_max_) {
            state_ = State::TooLarge;
            return;
        }
        keep(header_);
    }
    if (body_left_ == 0) {
        header_bytes_ = 0;
    }
}

void ReplyRecorder::keep(ByteView bytes) {
    if (!reply_.append(bytes)) {
        state_ = State::TooLarge;
    }
}

void ReplyRecorder::take_body(ByteView part) {
    body_left_ -= part.size();
    if (is_ready_) {
        const bool is_one = ends_ == 1 && is_ended_;
        const auto status = protocol::read_ready_for_query(part);
        const bool is_as_before = status && *status == behind_;
        state_ = is_one && is_as_before && body_left_ == 0 ? State::Complete : State::Unfit;
        return;
    }
    keep(part);
    if (body_left_ == 0) {
        header_bytes_ = 0;
    }
}

}  // namespace weir::proxy
