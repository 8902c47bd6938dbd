// The part of ClientSession for operators: does what they order, tells what they ask.

#include "protocol/frontend_views.hpp"
#include "proxy/client_session.hpp"
#include "proxy/worker.hpp"

#include <algorithm>

namespace weir::proxy {

/// Clients that are still logging in go on with that: who wants to say RESUME is one of them.
void ClientSession::suspend_or_resume() {
    if (is_console() || cancel_pid_ == 0) {
        return;
    }
    if (worker_.is_suspended()) {
        stream_.pause(net::Pause::Suspended);
    } else {
        stream_.resume(net::Pause::Suspended);
    }
}

bool ClientSession::is_flushed() const {
    return is_console() ||
           (stream_.unsent() == 0 && (backend_ == nullptr || backend_->unsent() == 0));
}

void ClientSession::drop() {
    end_because(sqlstate::kAdminShutdown, "ended by an operator");
    leave_backend(pool::Backend::Departure::Vanished);
    close();
}

void ClientSession::describe_traffic(status::Connection& row, TimePoint now) const {
    row.fd = stream_.fd();
    row.unread = stream_.unread();
    row.unsent = stream_.unsent();
    row.left_of_message = body_left_;
    const bool is_waiting = state_ == ClientState::Waiting || state_ == ClientState::Preparing;
    row.is_busy = is_waiting || (backend_ != nullptr && !backend_->owed().empty());
    const bool is_open =
        state_ == ClientState::Active && backend_ != nullptr && !backend_->is_at_rest();
    row.transaction_time_unix_ms = is_waiting || is_open ? unix_ms(transaction_at_, now) : 0;
    if (extras_ != nullptr && state_ == ClientState::Active) {
        row.statement = extras_->statement_text;
    }
    row.settings = {settings_->begin(), settings_->end()};
}

/// Keeps the text of a Query or of a Parse without a name; of a prepared statement its name.
void ClientSession::note_statement(const protocol::FrameHeader& header,
                                   const protocol::StatementReference& reference,
                                   ByteView rest) {
    const auto type = static_cast<protocol::FrontendMessage>(header.type);
    const auto most = static_cast<std::size_t>(worker_.config().admin.statement_text);
    std::string_view text;
    std::string of_prepared;
    if (type == protocol::FrontendMessage::Query || type == protocol::FrontendMessage::Parse) {
        constexpr std::size_t kHeaderBytes = 5;
        const ByteView body = rest.subspan(std::min(rest.size(), kHeaderBytes));
        text = as_text(body.first(std::min({body.size(), header.body_bytes()})));
        if (type == protocol::FrontendMessage::Parse) {
            const std::size_t name_end = text.find('\0');
            text =
                name_end == std::string_view::npos ? text.substr(0, 0) : text.substr(name_end + 1);
        }
        text = text.substr(0, std::min(text.find('\0'), most));
    } else if (type == protocol::FrontendMessage::Bind &&
               reference.kind == protocol::StatementReference::Kind::Named) {
        of_prepared = "prepared statement \"" + std::string{reference.name} + "\"";
        text = std::string_view{of_prepared}.substr(0, most);
    } else {
        return;
    }
    extras().statement_text = text;
}

}  // namespace weir::proxy
