// The part of ClientSession that talks to the admin database.

#include "protocol/frame.hpp"
#include "protocol/limits.hpp"
#include "protocol/message_writer.hpp"
#include "proxy/client_session.hpp"
#include "proxy/worker.hpp"

#include <utility>

namespace weir::proxy {

using protocol::FrontendMessage;

void ClientSession::open_console(ConsoleClient::Proof proof) {
    ConsoleClient client;
    client.proof = proof;
    client.user = user();
    client.address = client_name().address;
    client.post = [&loop = worker_.loop()](std::function<void()> task) {
        loop.post(std::move(task));
    };
    client.send = [this](ByteView bytes) {
        worker_.mutable_counters().bytes_to_clients.add(bytes.size());
        stream_.write(bytes);
    };
    client.on_ready = [this] { on_console_ready(); };
    auto opened = worker_.shared().consoles == nullptr
                      ? nullptr
                      : worker_.shared().consoles->open(std::move(client));
    if (opened == nullptr) {
        login_failed(sqlstate::kInsufficientPrivilege,
                     "user \"" + user() + "\" is neither in [admin] admins nor in [admin] viewers",
                     "not_admin");
        return;
    }
    extras().console = std::move(opened);
    transition(ClientEvent::ConsoleOpened);
    worker_.console_came();
    deadline_.clear();
    cancel_pid_ = worker_.register_cancel_key(*this);
    ByteWriter output;
    protocol::write_authentication_ok(output);
    console()->write_welcome(output);
    protocol::write_backend_key_data(output, cancel_pid_, worker_.cancel_secret(*this));
    protocol::write_ready_for_query(output, protocol::TransactionStatus::Idle);
    login_.reset();
    send(output);
    resume_held();
}

/// @return nullptr: it is at no admin database
Console* ClientSession::console() const {
    return extras_ == nullptr ? nullptr : extras_->console.get();
}

std::size_t ClientSession::feed_console(ByteView bytes) {
    std::size_t used = 0;
    while (state_ == ClientState::Console && used < bytes.size() && !console()->busy() &&
           !stream_.is_full()) {
        const ByteView rest = bytes.subspan(used);
        const auto [status, header] = protocol::read_header(rest);
        if (status == protocol::FrameStatus::NeedMore) {
            break;
        }
        if (status == protocol::FrameStatus::Invalid ||
            !protocol::is_frontend_message(header.type) ||
            header.body_bytes() > protocol::kMaxAuthMessageBytes) {
            fatal(sqlstate::kProtocolViolation, "invalid message for the admin database");
            return bytes.size();
        }
        if (rest.size() < header.frame_bytes()) {
            break;
        }
        used += header.frame_bytes();
        const auto type = static_cast<FrontendMessage>(header.type);
        if (type == FrontendMessage::Terminate) {
            close();
            return bytes.size();
        }
        console()->on_message(type, protocol::body_of(rest, header));
        if (console()->wants_close()) {
            transition(ClientEvent::EndBegan);
            close_when_sent();
            return bytes.size();
        }
    }
    if (console()->busy()) {
        static_cast<void>(hold(bytes.subspan(used)));
        worker_.loop().set_deadline(deadline_, console()->deadline());
    } else if (stream_.is_full()) {
        stream_.pause(
            net::Pause::OutputIsFull);  // what it asks meanwhile is answered once it reads
    }
    return state_ == ClientState::Console ? used : bytes.size();
}

void ClientSession::on_console_ready() {
    if (state_ == ClientState::Console) {
        deadline_.clear();
        resume_held();
    }
}

}  // namespace weir::proxy
