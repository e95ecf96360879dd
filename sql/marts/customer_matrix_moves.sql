-- From which cell to which cell customers went in matrix_compare_days.
with customer_matrix as (
    select * from marts.customer_matrix
),

final as (
    select
        cell_before as from_cell,
        cell as to_cell,
        count(*) as customers
    from customer_matrix
    where cell_before is not null
    group by cell_before, cell
)

select * from final
