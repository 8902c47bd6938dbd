#include "pool/user_lookup.hpp"

#include "pool/backend.hpp"
#include "pool/pool.hpp"
#include "protocol/backend_views.hpp"
#include "protocol/frame.hpp"
#include "protocol/message_writer.hpp"

#include <array>
#include <optional>
#include <utility>

namespace weir::pool {

using protocol::BackendMessage;
using protocol::FrontendMessage;
using Outcome = UserAnswer::Outcome;

namespace {

/// A name and a secret, and perhaps notices.
constexpr std::size_t kReplyBytesMax = std::size_t{64} * 1024;
/// One is wanted; a second one shows that the query is wrong.
constexpr std::uint32_t kRowsMax = 2;
constexpr std::size_t kColumns = 2;

UserAnswer failed(Outcome outcome, SqlState sqlstate, std::string problem) {
    return {outcome, {}, std::move(problem), sqlstate};
}

/// PostgreSQL's word on the query. A name that cannot be text in this database is nobody's.
UserAnswer from_error(const protocol::ErrorView& error) {
    const SqlState sqlstate = error.sqlstate.value_or(sqlstate::kInternalError);
    if (sqlstate == sqlstate::kCharacterNotInRepertoire) {
        return {};
    }
    // Parameters that do not fit the query are a matter of the protocol to PostgreSQL.
    const bool may_pass = is_transient(sqlstate) && sqlstate != sqlstate::kProtocolViolation;
    return failed(may_pass ? Outcome::Unreachable : Outcome::Failed,
                  sqlstate,
                  sqlstate.text() + ": " + std::string{error.message});
}

}  // namespace

UserAnswer UserAnswer::from_rows(const std::vector<ByteView>& rows, std::string_view user) {
    if (rows.empty()) {
        return {};
    }
    if (rows.size() > 1) {
        return failed(Outcome::Failed,
                      sqlstate::kInternalError,
                      "it answered with more than one row; accepted: none or one");
    }
    std::array<std::optional<std::string_view>, kColumns> columns;
    const auto read = protocol::read_data_row(rows.front(), columns);
    if (!read) {
        return failed(Outcome::Failed,
                      sqlstate::kInternalError,
                      "its row does not have two columns; accepted: the user's name and secret");
    }
    if (!columns[0] || *columns[0] != user) {
        return {};  // PostgreSQL has cut the name, for example: that is somebody else
    }
    return {Outcome::Found, std::string{columns[1].value_or("")}, {}, {}};
}

UserLookup::UserLookup(net::EventLoop& loop, Question question, OnDone on_done)
    : loop_{loop}, question_{std::move(question)}, on_done_{std::move(on_done)} {}

UserLookup::~UserLookup() {
    leave();
}

void UserLookup::start(Pool& pool, const SettingsPtr& none) {
    pool_ = &pool;
    none_ = none;
    loop_.set_deadline(deadline_, question_.due);
    pool.acquire(*this);
}

void UserLookup::on_lease(Backend& backend, Duration /*waited*/) {
    backend_ = &backend;
    if (backend.prepare(none_)) {
        on_prepared();
    }
}

void UserLookup::on_prepared() {
    is_sent_ = true;
    const std::array<std::optional<std::string>, 1> parameters = {question_.user};
    ByteWriter output;
    protocol::write_parse(output, {}, question_.query, {});
    protocol::write_bind(output, {}, {}, parameters);
    protocol::write_execute(output, {}, kRowsMax);
    protocol::write_sync(output);
    for (const FrontendMessage type : {FrontendMessage::Parse,
                                       FrontendMessage::Bind,
                                       FrontendMessage::Execute,
                                       FrontendMessage::Sync}) {
        backend_->will_send(type);
    }
    net::WriteBatch batch;
    batch.add(output.bytes());
    backend_->send(batch);
}

void UserLookup::on_reply(const net::WriteBatch& batch) {
    for (const iovec& part : batch.segments()) {
        const auto* bytes = static_cast<const std::byte*>(part.iov_base);
        if (reply_.size() + part.iov_len > kReplyBytesMax) {
            is_reply_too_long_ = true;
            return;
        }
        reply_.insert(reply_.end(), bytes, bytes + part.iov_len);
    }
}

void UserLookup::on_reply_end() {
    finish(read_answer());
}

UserAnswer UserLookup::read_answer() const {
    if (is_reply_too_long_) {
        return failed(Outcome::Failed, sqlstate::kInternalError, "its answer is too long");
    }
    std::vector<ByteView> rows;
    ByteView rest = reply_;
    while (!rest.empty()) {
        const auto [status, header] = protocol::read_header(rest);
        if (status != protocol::FrameStatus::Complete || header.frame_bytes() > rest.size()) {
            return failed(Outcome::Failed, sqlstate::kProtocolViolation, "its answer is malformed");
        }
        const ByteView body = protocol::body_of(rest, header);
        const auto type = static_cast<BackendMessage>(header.type);
        if (type == BackendMessage::ErrorResponse) {
            const auto error = protocol::read_error(body);
            return error ? from_error(*error)
                         : failed(Outcome::Failed,
                                  sqlstate::kProtocolViolation,
                                  "its error is malformed");
        }
        if (type == BackendMessage::DataRow) {
            rows.push_back(body);
        }
        rest = rest.subspan(header.frame_bytes());
    }
    return UserAnswer::from_rows(rows, question_.user);
}

void UserLookup::on_refused(const LoginFailure& reason) {
    // A server that cannot be reached may be back soon; one that says no is asked in vain.
    finish(failed(reason.is_final ? Outcome::Failed : Outcome::Unreachable,
                  reason.fields.sqlstate,
                  reason.fields.sqlstate.text() + ": " + reason.fields.message));
}

void UserLookup::on_prepare_failed(const protocol::ErrorFields& reason) {
    finish(failed(Outcome::Failed, reason.sqlstate, reason.message));
}

void UserLookup::on_backend_lost(const BackendLoss& loss) {
    backend_ = nullptr;
    finish(failed(Outcome::Unreachable, loss.reason.sqlstate, loss.reason.message));
}

void UserLookup::on_deadline(net::Deadline& /*deadline*/) {
    finish(failed(Outcome::Unreachable,
                  sqlstate::kQueryCanceled,
                  is_sent_ ? "no answer within auth.query_timeout"
                           : "no server connection within auth.query_timeout"));
}

/// Gives up the backend, or the place in the line for one. What still runs there is cancelled.
void UserLookup::leave() {
    deadline_.clear();
    if (pool_ == nullptr) {
        return;
    }
    pool_->forget(*this);
    if (Backend* backend = std::exchange(backend_, nullptr); backend != nullptr) {
        if (backend->is_at_rest()) {
            pool_->release(*backend);
        } else {
            pool_->abandon(*backend, Backend::Frame::Whole, Backend::Departure::Vanished);
        }
    }
    pool_ = nullptr;
}

void UserLookup::finish(UserAnswer answer) {
    leave();
    if (auto on_done = std::exchange(on_done_, nullptr)) {
        on_done(std::move(answer));
    }
}

// Nobody here has settings, named statements, or replies too big to take.
void UserLookup::on_reported(std::string_view /*name*/, std::string_view /*value*/) {}

void UserLookup::on_progress() {}

void UserLookup::on_noted(const protocol::NotedOutcome& /*outcome*/) {}

void UserLookup::on_refusal_due(ByteView /*error*/) {}

void UserLookup::on_statements_forgotten() {}

void UserLookup::on_backend_drained() {}

}  // namespace weir::pool
