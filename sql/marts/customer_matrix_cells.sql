-- Each cell of the matrix, empty ones too: who is in it, what they brought and
-- cost in 365 days, and what they are expected to spend.
with customer_matrix as (
    select * from marts.customer_matrix
),

tenure_bands as (
    select * from seeds.tenure_bands
),

buyers as (
    select * from intermediate.buyers
),

customer_engagement as (
    select * from intermediate.customer_engagement
),

marketing_costs as (
    select * from intermediate.marketing_costs
),

clv_fit as (
    select * from intermediate.clv_fit
),

strengths as (
    select unnest(generate_series(1, 5)) as strength
),

grid as (
    select
        tenure_bands.band as tenure_band,
        strengths.strength,
        tenure_bands.band || ' / ' || cast(strengths.strength as varchar)
            as cell
    from tenure_bands
    cross join strengths
),

spent as (
    select
        customer_id,
        sum(cost) as marketing_cost_12m
    from marketing_costs
    where day > add_days($as_of, -365)
    group by customer_id
),

-- Predicted spend is summed as a decimal: sums of doubles depend on the order
-- in which rows come.
sums as (
    select
        customer_matrix.cell,
        count(*) as customers,
        sum(buyers.revenue_12m) as revenue_12m,
        sum(buyers.margin_12m) as margin_12m,
        sum(cast(customer_matrix.predicted_spend as decimal(38, 12)))
            as predicted_spend,
        sum(
            coalesce(spent.marketing_cost_12m, 0)
            + coalesce(customer_engagement.cost_to_serve_12m, 0)
        ) as cost_12m,
        count(*) filter (
            where customer_matrix.cell <> customer_matrix.cell_before
        ) as moved_in
    from customer_matrix
    inner join buyers on customer_matrix.customer_id = buyers.customer_id
    left join spent on customer_matrix.customer_id = spent.customer_id
    left join customer_engagement
        on customer_matrix.customer_id = customer_engagement.customer_id
    group by customer_matrix.cell
),

departures as (
    select
        cell_before as cell,
        count(*) as moved_out
    from customer_matrix
    where cell <> cell_before
    group by cell_before
),

cells as (
    select
        grid.cell,
        grid.tenure_band,
        grid.strength,
        coalesce(sums.customers, 0) as customers,
        cast(coalesce(sums.revenue_12m, 0) as decimal(18, 2)) as revenue_12m,
        cast(coalesce(sums.margin_12m, 0) as decimal(18, 2)) as margin_12m,
        case
            when sums.cell is null then 0.0
            else cast(sums.predicted_spend as double)
        end as predicted_spend,
        cast(coalesce(sums.cost_12m, 0) as decimal(18, 2)) as cost_12m,
        coalesce(sums.moved_in, 0) as moved_in,
        coalesce(departures.moved_out, 0) as moved_out
    from grid
    left join sums on grid.cell = sums.cell
    left join departures on grid.cell = departures.cell
),

final as (
    select
        cells.cell,
        cells.tenure_band,
        cells.strength,
        cells.customers,
        cells.revenue_12m,
        cells.margin_12m,
        cells.predicted_spend,
        cells.cost_12m,
        cast(cells.margin_12m - cells.cost_12m as double)
        / nullif(cast(cells.cost_12m as double), 0.0) as roi,
        (
            cells.predicted_spend * clv_fit.margin_rate
            - cast(cells.cost_12m as double)
        ) / nullif(cast(cells.cost_12m as double), 0.0) as predicted_roi,
        cells.moved_in,
        cells.moved_out
    from cells
    cross join clv_fit
)

select * from final
