// What pgjdbc makes of a result that is larger than it may be: java JdbcLimits ROWS.
// A line for each way: its name, the rows that were read, the SQLSTATE of the error or of the warning, and whether the
// connection still works.
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.SQLWarning;
import java.sql.Statement;
import java.util.Map;

public final class JdbcLimits {
    static Connection connect(String options) throws SQLException {
        Map<String, String> e = System.getenv();
        return DriverManager.getConnection("jdbc:postgresql://" + e.get("WEIR_HOST") + ":" + e.get("WEIR_PORT") + "/"
                + e.get("WEIR_DATABASE") + "?user=" + e.get("WEIR_USER")
                + "&connectTimeout=10&socketTimeout=20&sslmode=disable" + options);
    }

    static void read(String name, String options, boolean inTransaction, int fetchSize, int rows) throws SQLException {
        try (Connection connection = connect(options)) {
            connection.setAutoCommit(!inTransaction);
            int seen = 0;
            String state = "none";
            try (PreparedStatement statement = connection.prepareStatement("SELECT g FROM generate_series(1, ?) g")) {
                statement.setInt(1, rows);
                statement.setFetchSize(fetchSize);
                try (ResultSet result = statement.executeQuery()) {
                    while (result.next()) {
                        seen++;
                    }
                }
                SQLWarning warning = statement.getWarnings();
                state = warning == null ? "none" : "warning " + warning.getSQLState();
            } catch (SQLException error) {
                state = "error " + error.getSQLState();
            }
            String usable = "usable";
            try (Statement statement = connection.createStatement()) {
                statement.executeQuery("SELECT 1").close();
            } catch (SQLException error) {
                usable = error.getSQLState();
            }
            if (inTransaction) {
                connection.rollback();
                connection.createStatement().executeQuery("SELECT 1").close();
            }
            System.out.println(name + ": " + seen + " rows, " + state + ", " + usable);
        }
    }

    public static void main(String[] arguments) throws SQLException {
        int rows = Integer.parseInt(arguments[0]);
        read("extended", "", false, 0, rows);
        read("simple", "&preferQueryMode=simple", false, 0, rows);
        read("in a transaction", "", true, 0, rows);
        read("fetch size", "", true, 4, rows);
        read("server prepared", "&prepareThreshold=1", false, 0, rows);
    }
}
