-- Groups of buyers who behave alike: k-means on the logarithms of what they do
-- (log1p, as these numbers are skewed), which the function standardises.
with behaviour_features as (
    select * from intermediate.behaviour_features
),

fits as (
    select
        kmeans_fit(
            [
                ln(1.0 + purchase_days),
                ln(1.0 + days_since_last_purchase),
                ln(1.0 + revenue_per_purchase_day),
                ln(1.0 + products),
                ln(1.0 + inbound_interactions_90d)
            ],
            $clusters
        ) as model
    from behaviour_features
),

-- Without buyers there is no cluster and no row.
numbered as (
    select
        model,
        unnest(range(1, model['clusters'] + 1)) as cluster
    from fits
),

final as (
    select
        cluster,
        model['sizes'][cluster] as customers,
        model['centres'][cluster][1] as purchase_days_centre,
        model['centres'][cluster][2] as days_since_last_purchase_centre,
        model['centres'][cluster][3] as revenue_per_purchase_day_centre,
        model['centres'][cluster][4] as products_centre,
        model['centres'][cluster][5] as inbound_interactions_90d_centre,
        model['means'][1] as purchase_days_mean,
        model['means'][2] as days_since_last_purchase_mean,
        model['means'][3] as revenue_per_purchase_day_mean,
        model['means'][4] as products_mean,
        model['means'][5] as inbound_interactions_90d_mean,
        model['deviations'][1] as purchase_days_deviation,
        model['deviations'][2] as days_since_last_purchase_deviation,
        model['deviations'][3] as revenue_per_purchase_day_deviation,
        model['deviations'][4] as products_deviation,
        model['deviations'][5] as inbound_interactions_90d_deviation,
        model['within_sums'][cluster] as within_sum,
        model['within_sum'] as within_sum_of_all,
        model['total_sum'] as total_sum,
        model['iterations'] as iterations,
        model['is_converged'] as is_converged
    from numbered
)

select * from final
