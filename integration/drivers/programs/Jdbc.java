// What pgjdbc does with a connection: java Jdbc.java work | ask | admin. Lines are compared with those of a direct
// connection, but for lines that begin with '#'.
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.StringReader;
import java.io.StringWriter;
import java.sql.Array;
import java.sql.BatchUpdateException;
import java.sql.CallableStatement;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Types;
import java.util.Arrays;
import java.util.Map;
import java.util.TreeSet;
import org.postgresql.PGConnection;
import org.postgresql.PGStatement;
import org.postgresql.largeobject.LargeObject;
import org.postgresql.largeobject.LargeObjectManager;

public final class Jdbc {
    interface Case {
        void run(Connection connection) throws Exception;
    }

    private static final TreeSet<Integer> backends = new TreeSet<>();

    static Connection connect(String options) throws SQLException {
        Map<String, String> e = System.getenv();
        return DriverManager.getConnection("jdbc:postgresql://" + e.get("WEIR_HOST") + ":" + e.get("WEIR_PORT") + "/"
                + e.get("WEIR_DATABASE") + "?user=" + e.get("WEIR_USER")
                + "&connectTimeout=10&socketTimeout=20&sslmode=disable" + options);
    }

    static void run(String name, String options, Case what) throws Exception {
        try (Connection connection = connect(options)) {
            what.run(connection);
            System.out.println(name + ": done");
        } catch (SQLException error) {
            System.out.println(name + ": " + error.getSQLState() + " " + error.getMessage());
        }
    }

    static String all(ResultSet rows) throws SQLException {
        StringBuilder text = new StringBuilder();
        int columns = rows.getMetaData().getColumnCount();
        while (rows.next()) {
            for (int i = 1; i <= columns; i++) {
                text.append(i > 1 ? "," : "").append(rows.getString(i));
            }
            text.append(';');
        }
        return text.toString();
    }

    static void query(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            System.out.println("  " + sql + " = " + all(statement.executeQuery(sql)));
        }
    }

    static void update(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            System.out.println("  " + sql + " = " + statement.executeUpdate(sql));
        }
    }

    /** A statement that fails, and says how. */
    static void fail(Connection connection, String sql) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            statement.execute();
            System.out.println("  " + sql + " did not fail");
        } catch (SQLException error) {
            System.out.println("  " + sql + " fails: " + error.getSQLState());
        }
    }

    // ---- statements ------------------------------------------------------------------------------------------------

    static void prepared(Connection connection) throws SQLException {
        String sql = "SELECT pg_backend_pid(), ?::int * 2, ?::text, ?::float8, ?::numeric, ?::timestamptz, ?::bytea";
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            for (int i = 0; i < 40; i++) {
                statement.setInt(1, i);
                statement.setString(2, "é" + i);
                statement.setDouble(3, 0.1 * i);
                statement.setBigDecimal(4, new java.math.BigDecimal("12345678901234567890.123"));
                statement.setObject(5, java.time.OffsetDateTime.parse("2024-02-29T12:00:00Z"));
                statement.setBytes(6, new byte[] {0, 1, (byte) i});
                ResultSet row = statement.executeQuery();
                row.next();
                backends.add(row.getInt(1));
                System.out.println("  " + row.getInt(2) + " " + row.getString(3) + " " + row.getDouble(4) + " "
                        + row.getBigDecimal(5) + " " + row.getObject(6, java.time.OffsetDateTime.class) + " "
                        + Arrays.toString(row.getBytes(7)) + " "
                        + statement.unwrap(PGStatement.class).isUseServerPrepare());
            }
        }
    }

    /** More statements than the driver keeps: it closes those it used least. */
    static void evicted(Connection connection) throws SQLException {
        for (int turn = 0; turn < 3; turn++) {
            for (int i = 0; i < 6; i++) {
                try (PreparedStatement statement = connection.prepareStatement("SELECT ?::int + " + i)) {
                    statement.setInt(1, turn);
                    System.out.println("  " + all(statement.executeQuery()));
                }
            }
            System.gc();  // statements nobody closed are closed by the next request after this
        }
    }

    static void deallocated(Connection connection) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement("SELECT ?::int + 1")) {
            for (String sql : new String[] {"SELECT 1", "DEALLOCATE ALL", "SELECT 2", "DISCARD ALL", "SELECT 3"}) {
                for (int i = 0; i < 4; i++) {
                    statement.setInt(1, i);
                    System.out.println("  " + all(statement.executeQuery()));
                }
                try (Statement other = connection.createStatement()) {
                    other.execute(sql);
                }
            }
        }
    }

    static void described(Connection connection) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement("SELECT ?::int AS a, ?::text AS b")) {
            System.out.println("  " + statement.getParameterMetaData().getParameterCount() + " "
                    + statement.getParameterMetaData().getParameterTypeName(1) + " "
                    + statement.getMetaData().getColumnName(2));
            statement.setInt(1, 4);
            statement.setString(2, "x");
            System.out.println("  " + all(statement.executeQuery()));
        }
        try (ResultSet tables = connection.getMetaData().getTables(null, "pg_catalog", "pg_clas_", null)) {
            while (tables.next()) {
                System.out.println("  " + tables.getString("TABLE_NAME") + " " + tables.getString("TABLE_TYPE"));
            }
        }
        try (ResultSet columns = connection.getMetaData().getColumns(null, "pg_catalog", "pg_am", "%")) {
            while (columns.next()) {
                System.out.println("  " + columns.getString("COLUMN_NAME") + " " + columns.getString("TYPE_NAME"));
            }
        }
    }

    static void modes(Connection connection) throws SQLException {
        query(connection, "SELECT 1");
        prepared(connection);
        fail(connection, "SELECT 1/0");
        query(connection, "SELECT 0.1::float8 + 0.2");
        System.out.println("  " + connection.isValid(5));
    }

    // ---- transactions ----------------------------------------------------------------------------------------------

    static void transactions(Connection connection) throws SQLException {
        connection.setAutoCommit(false);
        update(connection, "CREATE TABLE jdbc_t (id int PRIMARY KEY, name text)");
        connection.commit();
        for (int i = 0; i < 10; i++) {
            try (PreparedStatement statement = connection.prepareStatement("INSERT INTO jdbc_t VALUES (?, ?)")) {
                statement.setInt(1, i);
                statement.setString(2, "n" + i);
                statement.executeUpdate();
            }
            if (i % 3 == 0) {
                connection.rollback();
            } else {
                connection.commit();
            }
        }
        query(connection, "SELECT * FROM jdbc_t ORDER BY 1");
        java.sql.Savepoint savepoint = connection.setSavepoint("here");
        fail(connection, "INSERT INTO jdbc_t VALUES (1, 'again')");
        connection.rollback(savepoint);
        connection.commit();
        connection.setReadOnly(true);
        fail(connection, "INSERT INTO jdbc_t VALUES (100, 'no')");
        connection.rollback();
        connection.setReadOnly(false);
        update(connection, "DROP TABLE jdbc_t");
        connection.commit();
    }

    /** autosave: the driver sets a savepoint before each statement and goes back to it when that fails. */
    static void autosave(Connection connection) throws SQLException {
        connection.setAutoCommit(false);
        try (PreparedStatement statement = connection.prepareStatement("SELECT 10 / ?::int")) {
            for (int i = 0; i < 20; i++) {
                statement.setInt(1, i % 4);
                try {
                    System.out.println("  " + all(statement.executeQuery()));
                } catch (SQLException error) {
                    System.out.println("  " + error.getSQLState());
                }
                if (i % 7 == 0) {
                    connection.commit();
                }
            }
        }
        connection.rollback();
    }

    static void cursors(Connection connection) throws SQLException {
        connection.setAutoCommit(false);
        for (int turn = 0; turn < 8; turn++) {
            try (PreparedStatement one = connection.prepareStatement("SELECT generate_series(1, ?::int)");
                    PreparedStatement other = connection.prepareStatement("SELECT generate_series(1, ?::int)")) {
                one.setFetchSize(7);
                other.setFetchSize(3);
                one.setInt(1, 50);
                other.setInt(1, 10);
                ResultSet rows = one.executeQuery();
                ResultSet others = other.executeQuery();
                long sum = 0;
                while (rows.next()) {
                    sum += rows.getInt(1);
                    sum += others.next() ? others.getInt(1) : 0;
                }
                System.out.println("  " + sum);
            }
            connection.commit();
        }
        connection.setAutoCommit(true);
        try (Statement statement = connection.createStatement()) {
            statement.setFetchSize(5);  // without a transaction the driver reads everything at once
            System.out.println("  " + all(statement.executeQuery("SELECT generate_series(1, 12)")));
        }
    }

    static void batches(Connection connection) throws SQLException {
        update(connection, "CREATE TABLE jdbc_b (id int PRIMARY KEY, name text)");
        try (PreparedStatement statement = connection.prepareStatement("INSERT INTO jdbc_b VALUES (?, ?)")) {
            for (int turn = 0; turn < 4; turn++) {
                for (int i = 0; i < 300; i++) {
                    statement.setInt(1, turn * 1000 + i);
                    statement.setString(2, "n" + i);
                    statement.addBatch();
                }
                System.out.println("  " + Arrays.stream(statement.executeBatch()).filter(n -> n != 0).count());
            }
            for (int id : new int[] {5000, 5001, 1, 5002}) {
                statement.setInt(1, id);
                statement.setString(2, "x");
                statement.addBatch();
            }
            statement.executeBatch();
        } catch (BatchUpdateException error) {
            System.out.println("  " + error.getSQLState() + " " + Arrays.toString(error.getUpdateCounts()));
        }
        query(connection, "SELECT count(*), sum(id) FROM jdbc_b");
        try (PreparedStatement statement = connection.prepareStatement(
                "UPDATE jdbc_b SET name = ? WHERE id = ?", Statement.RETURN_GENERATED_KEYS)) {
            for (int i = 0; i < 20; i++) {
                statement.setString(1, "u" + i);
                statement.setInt(2, i);
                statement.addBatch();
            }
            System.out.println("  " + Arrays.toString(statement.executeBatch()));
            System.out.println("  " + all(statement.getGeneratedKeys()));
        }
        try (Statement statement = connection.createStatement()) {
            statement.addBatch("UPDATE jdbc_b SET name = 'a' WHERE id < 3");
            statement.addBatch("DELETE FROM jdbc_b WHERE id < 2");
            System.out.println("  " + Arrays.toString(statement.executeBatch()));
        }
        update(connection, "DROP TABLE jdbc_b");
    }

    // ---- the rest ---------------------------------------------------------------------------------------------------

    static void called(Connection connection) throws SQLException {
        try (CallableStatement call = connection.prepareCall("{? = call upper(?)}")) {
            for (int i = 0; i < 8; i++) {
                call.registerOutParameter(1, Types.VARCHAR);
                call.setString(2, "weir" + i);
                call.execute();
                System.out.println("  " + call.getString(1));
            }
        }
        try (PreparedStatement statement = connection.prepareStatement("SELECT ?::int[]")) {
            Array array = connection.createArrayOf("int4", new Integer[] {1, 2, null});
            for (int i = 0; i < 8; i++) {
                statement.setArray(1, array);
                System.out.println("  " + all(statement.executeQuery()));
            }
        }
    }

    static void copied(Connection connection) throws Exception {
        connection.setAutoCommit(false);
        update(connection, "CREATE TEMP TABLE jdbc_c (id int, name text) ON COMMIT DROP");
        var copies = connection.unwrap(PGConnection.class).getCopyAPI();
        StringBuilder lines = new StringBuilder();
        for (int i = 0; i < 2000; i++) {
            lines.append(i).append("\tname ").append(i).append('\n');
        }
        System.out.println("  " + copies.copyIn("COPY jdbc_c FROM STDIN", new StringReader(lines.toString())));
        StringWriter out = new StringWriter();
        System.out.println("  " + copies.copyOut("COPY (SELECT * FROM jdbc_c ORDER BY id) TO STDOUT", out));
        System.out.println("  " + out.toString().equals(lines.toString()));
        connection.commit();
        connection.setAutoCommit(true);
        try {
            copies.copyIn("COPY not_there FROM STDIN", new StringReader("1\n"));
        } catch (SQLException error) {
            System.out.println("  " + error.getSQLState());
        }
        query(connection, "SELECT 4");
    }

    /** Large objects go by FunctionCall. */
    static void largeObjects(Connection connection) throws SQLException {
        connection.setAutoCommit(false);
        LargeObjectManager manager = connection.unwrap(PGConnection.class).getLargeObjectAPI();
        long oid = manager.createLO(LargeObjectManager.READWRITE);
        LargeObject object = manager.open(oid, LargeObjectManager.READWRITE);
        object.write("weir".getBytes());
        object.seek(1);
        System.out.println("  " + new String(object.read(3)));
        object.close();
        connection.commit();
        manager.delete(oid);
        connection.commit();
    }

    static void cancelled(Connection connection) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement("SELECT pg_sleep(15)")) {
            statement.setQueryTimeout(1);
            statement.execute();
            System.out.println("  not cancelled");
        } catch (SQLException error) {
            System.out.println("  " + error.getSQLState());
        }
        query(connection, "SELECT 5");
    }

    static void work() throws Exception {
        run("prepared at once", "&prepareThreshold=1", Jdbc::prepared);
        run("prepared after five", "", Jdbc::prepared);
        run("prepared and binary", "&prepareThreshold=-1", Jdbc::prepared);
        run("never prepared", "&prepareThreshold=0", Jdbc::prepared);
        run("evicted", "&prepareThreshold=1&preparedStatementCacheQueries=2", Jdbc::evicted);
        run("deallocated", "&prepareThreshold=1", Jdbc::deallocated);
        run("described", "&prepareThreshold=1", Jdbc::described);
        for (String mode : new String[] {"simple", "extended", "extendedForPrepared", "extendedCacheEverything"}) {
            run("mode " + mode, "&preferQueryMode=" + mode, Jdbc::modes);
        }
        run("transactions", "&prepareThreshold=1", Jdbc::transactions);
        for (String when : new String[] {"always", "conservative", "never"}) {
            run("autosave " + when, "&prepareThreshold=2&autosave=" + when, Jdbc::autosave);
        }
        run("cursors", "&prepareThreshold=1", Jdbc::cursors);
        run("cursors by default", "&defaultRowFetchSize=4", Jdbc::cursors);
        run("batches", "&prepareThreshold=1", Jdbc::batches);
        run("batches rewritten", "&prepareThreshold=1&reWriteBatchedInserts=true", Jdbc::batches);
        run("called", "&prepareThreshold=1", Jdbc::called);
        run("copied", "", Jdbc::copied);
        run("large objects", "", Jdbc::largeObjects);
        run("cancelled", "", Jdbc::cancelled);
        System.out.println("# backends " + backends.size());
    }

    // ---- asked line by line -----------------------------------------------------------------------------------------

    static String row(PreparedStatement statement) {
        try (ResultSet rows = statement.executeQuery()) {
            StringBuilder text = new StringBuilder();
            ResultSetMetaData columns = rows.getMetaData();
            rows.next();
            for (int i = 1; i <= columns.getColumnCount(); i++) {
                text.append(i > 1 ? "," : "").append(columns.getColumnName(i)).append('=').append(rows.getObject(i));
            }
            return text.toString();
        } catch (SQLException error) {
            return "!" + error.getSQLState();
        }
    }

    /** One statement, prepared once, run once for each line read. */
    static void ask(String sql) throws Exception {
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        try (Connection connection = connect("&prepareThreshold=1");
                PreparedStatement statement = connection.prepareStatement(sql)) {
            while (lines.readLine() != null) {
                System.out.println(row(statement));
            }
        }
    }

    static void admin() throws Exception {
        for (String options : new String[] {"", "&prepareThreshold=1", "&preferQueryMode=simple"}) {
            try (Connection connection = connect(options); Statement statement = connection.createStatement()) {
                System.out.println(connection.getMetaData().getDatabaseProductName() + " " + connection.isValid(5));
                for (String command : new String[] {"SHOW POOLS", "SHOW STATS", "SHOW POOLS", "SHOW STATS"}) {
                    ResultSet rows = statement.executeQuery(command);
                    System.out.println(command + " " + rows.getMetaData().getColumnName(1) + " " + rows.next());
                    try (PreparedStatement again = connection.prepareStatement(command)) {
                        for (int i = 0; i < 7; i++) {
                            ResultSet found = again.executeQuery();
                            found.next();
                            System.out.println("  " + found.getString("database") + " "
                                    + found.getObject(3).getClass().getSimpleName());
                        }
                    }
                }
                connection.setAutoCommit(false);
                fail(connection, "SELECT nonsense");
                connection.rollback();
            }
        }
    }

    public static void main(String[] arguments) throws Exception {
        switch (arguments[0]) {
            case "work" -> work();
            case "ask" -> ask(arguments[1]);
            case "admin" -> admin();
            default -> throw new IllegalArgumentException(arguments[0]);
        }
    }
}
