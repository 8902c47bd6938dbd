#pragma once

#include "base/endpoint.hpp"
#include "net/connector.hpp"
#include "net/event_loop.hpp"
#include "net/stream.hpp"
#include "pool/backend.hpp"
#include "pool/server_tls.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace weir::pool {

/// Whom to cancel, and where.
struct CancelTarget {
    Endpoint endpoint;
    ServerTls tls;  ///< without a context the request goes without TLS
    std::uint32_t process_id = 0;
    std::vector<std::byte> secret;
};

/// One cancel request on its way to PostgreSQL: connects, sends the backend's own key, waits until
/// the server closes.
///
/// The server closes after it has signalled the backend, so once that is seen the cancel can hit
/// nothing that is sent later. When that cannot be seen in time the outcome is Uncertain.
/// @thread its loop's; destroying it gives up without a word
class Canceller final : private net::StreamListener, private net::DeadlineListener {
public:
    using OnDone = std::function<void(Backend::CancelOutcome)>;

    /// @param on_done called once, never from within the constructor
    Canceller(net::EventLoop& loop, CancelTarget target, OnDone on_done);

    static constexpr std::chrono::seconds kCancelWithin{10};

private:
    std::size_t on_bytes(ByteView bytes) override;

    void on_drained() override {}

    void on_secured() override { send_request(); }

    void on_closed(const Error& reason) override;
    void on_deadline(net::Deadline& deadline) override;
    void on_connected(Result<net::Fd> result);
    void send_request();
    void finish(Backend::CancelOutcome outcome);

    net::EventLoop& loop_;
    CancelTarget target_;
    OnDone on_done_;
    net::Deadline deadline_{*this};
    std::unique_ptr<net::Connector> connector_;
    std::unique_ptr<net::Stream> stream_;
    bool awaits_tls_answer_ = false;
    bool is_sent_ = false;
};

}  // namespace weir::pool
