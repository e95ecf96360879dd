-- Where customers live, and what they are worth there.
with known_customers as (
    select * from intermediate.known_customers
),

customer_measures as (
    select * from intermediate.customer_measures
),

located as (
    select
        coalesce(known_customers.country, '(none)') as country,
        coalesce(known_customers.region, '(none)') as region,
        coalesce(known_customers.city, '(none)') as city,
        known_customers.latitude between -90 and 90
        and known_customers.longitude between -180 and 180 as is_on_the_map,
        known_customers.latitude,
        known_customers.longitude,
        customer_measures.is_buyer,
        customer_measures.revenue,
        customer_measures.clv,
        customer_measures.has_bought_before,
        customer_measures.is_churned_account
    from known_customers
    inner join customer_measures
        on known_customers.customer_id = customer_measures.customer_id
),

-- Sums and counts only, which add up from the cities. Degrees and values are
-- exact decimals here: sums of doubles depend on their order.
cities as (
    select
        country,
        region,
        city,
        count(*) as customers,
        count(*) filter (where is_buyer) as buyers,
        sum(revenue) as revenue,
        sum(cast(clv as decimal(38, 12))) as clv,
        count(clv) as valued,
        count(*) filter (where has_bought_before) as bought_before,
        count(*) filter (where is_churned_account) as churned_accounts,
        count(*) filter (where is_on_the_map) as located_customers,
        sum(
            case when is_on_the_map then cast(latitude as decimal(22, 12)) end
        ) as latitudes,
        sum(
            case when is_on_the_map then cast(longitude as decimal(22, 12)) end
        ) as longitudes
    from located
    group by country, region, city
),

-- Each city counts in its region and in its country too.
places as (
    select
        unnest(make_array('city', 'region', 'country')) as level,
        *
    from cities
),

levels as (
    select
        level,
        country,
        case when level = 'country' then 'all' else region end as region,
        case when level = 'city' then city else 'all' end as city,
        cast(sum(customers) as bigint) as customers,
        cast(sum(buyers) as bigint) as buyers,
        sum(revenue) as revenue,
        sum(clv) as clv,
        cast(sum(valued) as bigint) as valued,
        cast(sum(bought_before) as bigint) as bought_before,
        cast(sum(churned_accounts) as bigint) as churned_accounts,
        cast(sum(located_customers) as bigint) as located_customers,
        sum(latitudes) as latitudes,
        sum(longitudes) as longitudes
    from places
    group by
        level,
        country,
        case when level = 'country' then 'all' else region end,
        case when level = 'city' then city else 'all' end
),

final as (
    select
        level,
        country,
        region,
        city,
        customers,
        buyers,
        cast(revenue as decimal(18, 2)) as revenue,
        -- a clv that is not known (where the mean value of a purchase is
        -- infinite) is not 0
        case when valued = buyers then cast(clv as double) end as clv,
        bought_before,
        churned_accounts,
        cast(churned_accounts as double) / nullif(bought_before, 0)
            as account_churn_rate,
        cast(latitudes as double) / nullif(located_customers, 0) as latitude,
        cast(longitudes as double) / nullif(located_customers, 0)
            as longitude
    from levels
)

select * from final
