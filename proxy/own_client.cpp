#include "proxy/own_client.hpp"

#include "protocol/backend_views.hpp"
#include "protocol/frame.hpp"
#include "protocol/limits.hpp"
#include "protocol/message_writer.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace weir::proxy {

using protocol::BackendMessage;

OwnClient::OwnClient(net::EventLoop& loop, net::Fd fd, OnAnswer on_answer)
    : stream_{loop, std::move(fd), static_cast<net::StreamListener&>(*this)},
      on_answer_{std::move(on_answer)} {}

void OwnClient::log_in(const std::string& database,
                       const std::string& user,
                       const std::map<std::string, std::string>& parameters) {
    std::vector<std::pair<std::string, std::string>> all{{"user", user}, {"database", database}};
    all.insert(all.end(), parameters.begin(), parameters.end());
    ByteWriter output;
    protocol::write_startup(output, 0, all);
    stream_.write(output.bytes());
}

void OwnClient::ask(std::string_view statement) {
    ByteWriter output;
    protocol::write_query(output, statement);
    stream_.write(output.bytes());
}

void OwnClient::leave() {
    ByteWriter output;
    protocol::write_terminate(output);
    stream_.write(output.bytes());
    stream_.close();
}

std::size_t OwnClient::on_bytes(ByteView bytes) {
    std::size_t used = 0;
    while (stream_.is_open() && used < bytes.size()) {
        const std::size_t taken = take(bytes.subspan(used));
        if (taken == 0) {
            return used;  // it is not whole yet
        }
        used += taken;
    }
    return bytes.size();
}

/// @return how much of it has been dealt with
std::size_t OwnClient::take(ByteView bytes) {
    if (body_left_ > 0) {
        const std::size_t skipped = std::min(body_left_, bytes.size());
        body_left_ -= skipped;
        return skipped;
    }
    const auto [status, header] = protocol::read_header(bytes);
    if (status == protocol::FrameStatus::NeedMore) {
        return 0;
    }
    if (status == protocol::FrameStatus::Invalid) {
        end();
        return bytes.size();
    }
    const auto type = static_cast<BackendMessage>(header.type);
    const bool is_wanted =
        type == BackendMessage::ErrorResponse || type == BackendMessage::ReadyForQuery;
    if (is_wanted && header.frame_bytes() <= protocol::kMaxErrorBytes) {
        if (bytes.size() < header.frame_bytes()) {
            return 0;
        }
        take_whole(header.type, protocol::body_of(bytes, header));
        return header.frame_bytes();
    }
    if (type == BackendMessage::ErrorResponse) {
        answer_.error = sqlstate::kInternalError;  // too long to be read
    } else if (type == BackendMessage::CopyInResponse) {
        ByteWriter output;
        protocol::write_copy_fail(output, "there is nothing to copy");
        stream_.write(output.bytes());
    }
    body_left_ = header.body_bytes();
    return protocol::kHeaderBytes;
}

void OwnClient::take_whole(char type, ByteView body) {
    if (static_cast<BackendMessage>(type) == BackendMessage::ReadyForQuery) {
        on_answer_(std::exchange(answer_, {}));
        return;
    }
    const auto error = protocol::read_error(body);
    answer_.error =
        error ? error->sqlstate.value_or(sqlstate::kInternalError) : sqlstate::kInternalError;
    answer_.message = error ? std::string{error->message} : std::string{};
}

void OwnClient::on_closed(const Error& /*reason*/) {
    end();
}

void OwnClient::end() {
    stream_.close();
    answer_.is_open = false;
    on_answer_(std::exchange(answer_, {}));
}

}  // namespace weir::proxy
